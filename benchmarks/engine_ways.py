"""Ways to draw the candidates of a prompt: the released code's, plain diffusers, and this engine in each profile.

`released` is one pipeline call an image, texts encoded at every call, callback switch, NF4 and model offload; `plain`
the same in bf16 with everything on the card. The other names are those of the profiles `sd35_large_NAME` of
config/config.yaml: `paper`, `exact`, `fast`, `faster` and whatever else is there.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import yaml
from engine_model import Model

from detailscribe.engines import load, torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.acceleration.first_steps import FirstSteps, refinement_steps
from detailscribe.engines.machine.compile_cache import VARIABLE
from detailscribe.engines.precision import check_precision, quantization_config

KS = [0, 1, 2, 4]
LEAST_STEPS = max(KS) + 2  # every number of rows is met, and compiled for
PROMPT = "A fox and a parrot perch on a narrow branch, balancing while they exchange glances."
REFINED = f"{PROMPT} The claws of the parrot hold the branch, the fox stands on four whole legs, and both look up."
GENERATION = {"guidance": 4.5, "swap_pooled": False}
PREFIX = "sd35_large_"
CONFIG = Path(__file__).parents[1] / "config" / "config.yaml"


def profiles() -> dict[str, dict]:
    """The profiles of SD3.5-large by the rest of their name."""
    entries = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["image_models"]
    return {name.removeprefix(PREFIX): entry for name, entry in entries.items() if name.startswith(PREFIX)}


def way_names() -> list[str]:
    """All ways that can be asked for."""
    return ["released", "plain", *profiles()]


def entry_of(name: str, model: Model, **changes: Any) -> dict:
    """The config entry of a way at the model's size; in fp32 on a processor where a card computes in bf16."""
    entry = profiles()[{"released": "paper", "plain": "exact"}.get(name, name)]
    entry = entry | {"size_px": model.size["px"], "max_sequence_length": model.size["tokens"], "revision": "benchmark"}
    if model.dtype == torch.float32 and entry["precision"] == "bf16":
        entry["precision"] = "fp32"
    return entry | changes


def is_resident(entry: dict) -> bool:
    """Whether a way can use the weights that lie on the device, not quantised and moved by nobody."""
    return entry["precision"] in ("bf16", "fp32") and entry["offload"] == "none"


def load_way(name: str, model: Model, steps: int, **changes: Any) -> "PlainWay | EngineWay":
    """Load a way.

    Args:
        steps: Denoising steps of an image.
        changes: Keys of the config entry that differ, as `batch`.

    Raises:
        SetupError: this machine cannot run it.
    """
    entry = entry_of(name, model, **changes)
    generation = GENERATION | {"steps": steps}
    if is_resident(entry):
        pipe = model.resident()
        # The folder has configuration files alone; the weights are those on the device.
        with mock.patch.object(load, "_load_pipeline", lambda *_, **__: pipe):
            engine = load.load_engine(entry | {"path": str(model.configs)}, generation)
    else:
        check_precision(entry["precision"])  # before the weights are written
        folder = model.saved
        model.leave_device()
        if name == "released":
            return PlainWay(released_pipeline(folder), model.size, steps, entry)
        engine = load.load_engine(entry | {"path": str(folder)}, generation)
    if name == "plain":
        return PlainWay(engine.pipe, model.size, steps, entry)
    return EngineWay(engine, entry)


def released_pipeline(folder: Path) -> Any:
    """The pipeline as the released code loads it: the transformer in NF4, every part offloaded while it is idle."""
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    bf16 = {"torch_dtype": torch.bfloat16}
    config = quantization_config("nf4")
    transformer = SD3Transformer2DModel.from_pretrained(
        folder, subfolder="transformer", quantization_config=config, **bf16
    )
    pipe = StableDiffusion3Pipeline.from_pretrained(folder, transformer=transformer, **bf16)
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_model_cpu_offload()
    return pipe


class EngineWay:
    """This engine with a profile.

    Attributes:
        image_steps: Denoising steps of the candidates together; shared ones count once.
    """

    def __init__(self, engine: Any, entry: dict):
        self.engine, self.entry, self.pipe = engine, entry, engine.pipe
        self._first_steps: FirstSteps | None = None

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.engine.counts)

    @property
    def image_steps(self) -> int:
        steps = refinement_steps(KS, self.engine.steps)
        if self._first_steps is None:
            return steps
        # The first steps are those of the original image, but for what the candidates had to compute of them.
        return steps - (max(KS) + 1) + self._first_steps.taken

    def set_steps(self, steps: int) -> None:
        """Draw with this number of steps from now on."""
        self.engine.steps = steps

    def make_ready(self, seed: int) -> None:
        """What a job has done before a prompt's candidates: the empty text is encoded, and none of theirs."""
        self._first_steps = None
        if self.entry.get("reuse_first_steps"):
            self._first_steps = FirstSteps(tuple(k for k in KS if k))
            self.engine.generate(PROMPT, seed, self._first_steps)
        self.engine.prepare([])

    def draw(self, seed: int) -> list:
        """Draw the candidates."""
        more = {"first_steps": self._first_steps} if self._first_steps else {}
        return list(self.engine.refine(PROMPT, REFINED, seed, KS, **more).values())

    def close(self) -> None:
        """Undo compilation: the next way may use the same weights."""
        for module in self.pipe.transformer.modules():
            module._compiled_call_impl = None
        torch._dynamo.reset()


class PlainWay:
    """One pipeline call an image, as the released code draws them; counts as the engine does."""

    def __init__(self, pipe: Any, size: dict, steps: int, entry: dict):
        self.pipe, self.size, self.steps, self.entry = pipe, size, steps, entry
        self.counts = {"encoder_calls": 0, "transformer_rows": 0}
        self._hooks = [
            pipe.text_encoder.register_forward_hook(lambda *_: self._count("encoder_calls", 1)),
            pipe.transformer.register_forward_pre_hook(
                lambda _, args, kwargs: self._count("transformer_rows", len(kwargs["hidden_states"])), with_kwargs=True
            ),
        ]

    @property
    def image_steps(self) -> int:
        return self.steps * len(KS)

    def set_steps(self, steps: int) -> None:
        """Draw with this number of steps from now on."""
        self.steps = steps

    def make_ready(self, seed: int) -> None:
        """Nothing is kept between images."""

    @torch.no_grad()
    def draw(self, seed: int) -> list:
        """Draw the candidates."""
        return [self.image(seed, k) for k in KS]

    @torch.no_grad()
    def image(self, seed: int, k: int) -> Any:
        """Draw one candidate."""
        swap = {}
        if k:
            embeds, negative, _, _ = self.pipe.encode_prompt(
                REFINED, None, None, max_sequence_length=self.size["tokens"]
            )
            swap = {"prompt_embeds": torch.cat([negative, embeds])}
        return self.pipe(
            PROMPT if k else REFINED,
            height=self.size["px"],
            width=self.size["px"],
            num_inference_steps=self.steps,
            guidance_scale=GENERATION["guidance"],
            max_sequence_length=self.size["tokens"],
            generator=torch.Generator("cpu").manual_seed(seed),
            callback_on_step_end=lambda _, i, time, tensors: dict(swap) if i == k else {},
        ).images[0]

    def close(self) -> None:
        """Remove the counters."""
        for hook in self._hooks:
            hook.remove()

    def _count(self, name: str, number: int) -> None:
        self.counts[name] += number


@contextlib.contextmanager
def empty_compile_cache() -> Iterator[None]:
    """Compile into an empty folder, and not into the one that the jobs of a study share."""
    with (
        tempfile.TemporaryDirectory(prefix="detailscribe-compiled-", ignore_cleanup_errors=True) as folder,
        mock.patch.dict(os.environ, {VARIABLE: folder}),
        mock.patch.object(load, "share_compile_cache"),
    ):
        yield


@contextlib.contextmanager
def loaded(name: str, model: Model, steps: int, **changes: Any) -> Iterator["PlainWay | EngineWay"]:
    """A way that is undone at the end; as `load_way`."""
    way = load_way(name, model, steps, **changes)
    try:
        yield way
    finally:
        way.close()
