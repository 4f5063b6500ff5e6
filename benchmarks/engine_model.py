"""Stable Diffusion 3.5 with random weights for the engine's benchmark: sizes, building on the device, saving once.

Weights are sampled from a fixed seed for each part, so that a second process on the same machine has the same ones
without reading a file. `large` is the published SD3.5-large (`architectures.PUBLISHED`): transformer 8.06 billion
weights, T5-XXL 4.76, CLIP-L 0.12, CLIP-G 0.69, autoencoder 0.08; 27.4 GB in bf16. Derived for a card that writes 2
TB/s: sampling takes well under a second, constructing the 13.7 billion weights' modules in Python 5 to 15 s.

A way that quantises or offloads reads files. They are written a part at a time: a part is made on the card if it fits
there by itself (the transformer is 16 GB), and otherwise in main memory. Derived, not measured, for main memory: one
core samples 100 to 200 million numbers a second, so that the transformer takes one to three minutes.
"""

import importlib
import shutil
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from engine_floor import release

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers
from detailscribe.engines.workload.architectures import PUBLISHED, Part
from detailscribe.engines.workload.sd3_work import CLIP_ENCODERS, SD3Work

LARGE = PUBLISHED["stabilityai/stable-diffusion-3.5-large"]
# Sides of the image and tokens of a text. Without widths the published sizes; else of the transformer (width, layers,
# width of a head), T5 (width, layers), the CLIPs (width, layers each) and the decoder. On a processor the mid-size
# model keeps the proportions between the weights of the parts: T5 has 0.6 times the transformer's, the two CLIPs 0.1
# times, T5's feed-forward is 2.5 times its width.
SIZES: dict[str, dict] = {
    "large": {"px": 1024, "tokens": 512},
    "middle": {
        "px": 128,
        "tokens": 128,
        "transformer": (320, 6, 64),
        "t5": (320, 11),
        "clips": ((128, 3), (192, 4)),
        "vae": 16,
    },
    "tiny": {
        "px": 64,
        "tokens": 32,
        "transformer": (64, 2, 16),
        "t5": (64, 2),
        "clips": ((32, 2), (32, 2)),
        "vae": 8,
    },
}
SPARE_BYTES = 1_500_000_000  # on a card, beside the part that is made there
MEMORY_FOLDER = Path("/dev/shm")


def parts_of(size: dict) -> dict[str, Part]:
    """Classes and configurations of the parts at a size.

    Args:
        size: A value of SIZES.
    """
    changes = _changes(size) if "transformer" in size else {}
    # What the pipeline reads of the published autoencoder's configuration.
    scale = {"scaling_factor": 1.5305, "shift_factor": 0.0609}
    changes["vae"] = changes.get("vae", {}) | scale
    return {name: Part(p.library, p.name, p.config | changes.get(name, {})) for name, p in LARGE.items()}


def _changes(size: dict) -> dict[str, dict]:
    """What a small model's configurations have instead of the published values, by part."""
    (width, layers, head), (t5_width, t5_layers) = size["transformer"], size["t5"]
    *clip_tokenizers, t5_tokenizer = _tokenizers().values()
    clips = {}
    for name, (clip, depth), each in zip(CLIP_ENCODERS, size["clips"], clip_tokenizers, strict=True):
        ids = {"eos_token_id": each.eos_token_id, "bos_token_id": each.bos_token_id, "pad_token_id": each.pad_token_id}
        widths = {"hidden_size": clip, "projection_dim": clip, "intermediate_size": 4 * clip}
        heads = {"num_hidden_layers": depth, "num_attention_heads": max(1, clip // 64), "vocab_size": len(each)}
        clips[name] = ids | widths | heads
    t5 = {"d_model": t5_width, "d_kv": head, "d_ff": t5_width * 5 // 2, "num_layers": t5_layers}
    transformer = {
        "sample_size": size["px"] // 8,
        "num_layers": layers,
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "caption_projection_dim": width,
        "joint_attention_dim": t5_width,
        "pooled_projection_dim": sum(clip for clip, _ in size["clips"]),
        "pos_embed_max_size": 32,
    }
    channels = [size["vae"] * factor for factor in (1, 2, 4, 4)]
    return {
        **clips,
        "text_encoder_3": t5 | {"num_heads": t5_width // head, "vocab_size": len(t5_tokenizer)},
        "transformer": transformer,
        "vae": {"block_out_channels": channels, "norm_num_groups": min(32, size["vae"])},
    }


def build_part(part: Part, device: torch.device, dtype: torch.dtype) -> Any:
    """A part with random weights, made on the device in its data type; on "meta" its shapes alone."""
    kind = getattr(importlib.import_module(part.library), part.name)
    default = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            if part.library == "diffusers":
                made = kind.from_config(part.config)
            else:
                made = kind(kind.config_class(**part.config))
    finally:
        torch.set_default_dtype(default)
    return made.to(dtype).eval().requires_grad_(False)


def build(size: dict, device: torch.device, dtype: torch.dtype) -> Any:
    """A StableDiffusion3Pipeline of this size with random weights, made on the device.

    Args:
        size: A value of SIZES.
        device: Where the weights are made; "meta" for their shapes alone.
        dtype: Of weights and buffers.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        **{name: build_part(part, device, dtype) for name, part in parts_of(size).items()},
        **_tokenizers(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def quiet() -> None:
    """Load diffusers and transformers, and switch off their remarks, as on texts that are cut."""
    import diffusers
    import transformers
    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # Both import a class when it is first asked for, which should not count as building.
    for name in ("AutoencoderKL", "SD3Transformer2DModel", "StableDiffusion3Pipeline"):
        getattr(diffusers, name)
    for name in ("CLIPTextModelWithProjection", "T5EncoderModel"):
        getattr(transformers, name)


class Model:
    """One random model for all ways: on the device, and on disk if a way has to read it from there.

    Args:
        name: A key of SIZES.
        device, dtype: As for `build`.

    Attributes:
        build_s, save_s: Seconds that building and saving took; None before.
    """

    def __init__(self, name: str, device: torch.device, dtype: torch.dtype):
        self.name, self.size, self.device, self.dtype = name, SIZES[name], device, dtype
        self.build_s: float | None = None
        self.save_s: float | None = None
        roomy = device.type == "cuda" and MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > 40e9
        self._folder = Path(tempfile.mkdtemp(prefix="detailscribe-", dir=MEMORY_FOLDER if roomy else None))
        self._pipe: Any = None

    def resident(self) -> Any:
        """The pipeline on the device; built at the first call."""
        if self._pipe is None:
            start = time.perf_counter()
            self._pipe = build(self.size, self.device, self.dtype)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            self.build_s = round(time.perf_counter() - start, 2)
        return self._pipe

    @cached_property
    def work(self) -> SD3Work:
        """Operations and sizes of the parts, without their weights."""
        return SD3Work(parts_of(self.size), self.dtype, self.size["px"], self.size["tokens"])

    @cached_property
    def configs(self) -> Path:
        """A folder with the configuration files alone, which `load_engine` reads before the weights."""
        folder, pipe = self._folder / "configs", build(self.size, torch.device("meta"), self.dtype)
        pipe.save_config(folder)
        for name in ("transformer", "vae", "scheduler"):
            getattr(pipe, name).save_config(folder / name)
        return folder

    @cached_property
    def saved(self) -> Path:
        """A folder with the weights, for ways that quantise while they read, or keep modules in main memory.

        They are those on the device, if they are there; otherwise no more than one part is in memory at a time.
        """
        start, folder = time.perf_counter(), self._folder / "model"
        pipe = self._pipe or build(self.size, torch.device("meta"), self.dtype)
        pipe.save_config(folder)
        parts = parts_of(self.size)
        for name, component in pipe.components.items():
            if name in parts:
                made = component if self._pipe else build_part(parts[name], self._place_of(component), self.dtype)
                made.save_pretrained(folder / name, max_shard_size="10GB")
                del made
                release(self.device)
            elif component is not None:
                component.save_pretrained(folder / name)
        self.save_s = round(time.perf_counter() - start, 2)
        return folder

    def leave_device(self) -> None:
        """Let go of the pipeline, so that a way which reads from disk has the device for itself."""
        self._pipe = None
        release(self.device)

    def close(self) -> None:
        """Forget the pipeline and delete the files."""
        self._pipe = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place_of(self, part: Any) -> torch.device:
        """The device, if a part fits there by itself; main memory otherwise."""
        if self.device.type != "cuda":
            return self.device
        needed = sum(p.numel() for p in part.parameters()) * self.dtype.itemsize + SPARE_BYTES
        return self.device if needed <= torch.cuda.mem_get_info()[0] else torch.device("cpu")


def _tokenizers() -> dict[str, Any]:
    """The demo model's tokenizers, by their names in the pipeline."""
    from detailscribe.miniature.assembly import clip_tokenizer
    from detailscribe.miniature.models.sd3_text import t5_tokenizer

    clips = {"tokenizer": clip_tokenizer("<|endoftext|>", 77), "tokenizer_2": clip_tokenizer("!", 77)}
    return clips | {"tokenizer_3": t5_tokenizer()}
