"""Loading an image model: pipeline class, precision, offload and compilation."""

import functools
import importlib.metadata
import json
import sys
from collections.abc import Callable
from typing import Any

import torch

from detailscribe.engines.acceleration.first_steps import check_scheduler
from detailscribe.engines.acceleration.options import SD3, check_options, lossy_options
from detailscribe.engines.any_pipeline import PipelineEngine
from detailscribe.engines.engine import Engine
from detailscribe.engines.gpu.device_errors import device_error, image_device_errors
from detailscribe.engines.gpu.usable import refuse_full_size_on_cpu
from detailscribe.engines.machine.compile_cache import share_compile_cache
from detailscribe.engines.pipelines.call import PipelineCall
from detailscribe.engines.pipelines.editing import EditingEngine
from detailscribe.engines.pipelines.known import check_editing, check_text_to_image
from detailscribe.engines.precision import DTYPES, QUANTIZER, check_precision, quantization_config
from detailscribe.engines.sd3 import SD3Engine
from detailscribe.engines.torch_setup import default_device
from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import fetch_model_file
from detailscribe.engines.workload.profile_memory import memory_note, rows_at_once
from detailscribe.errors import InputError, SetupError

MAX_TOKENS = 512  # of the T5 encoder, as Stable Diffusion 3's pipeline allows
# Blocks to compile where diffusers names none.
BLOCKS = {"SD3Transformer2DModel": ["JointTransformerBlock"]}
RECOMPILE_LIMIT = 256  # one compiled block for each kind of block and number of rows


def load_engine(model: dict, generation: dict) -> Engine:
    """Load a pipeline that generates images from texts.

    Args:
        model: `pipeline`, its class in diffusers; `path`, a folder or a repository of the Hugging Face hub; `revision`,
            "" for a folder; `precision`, one of fp32, bf16, fp16, nf4 (the transformer in 4 bits, the rest and all
            arithmetic in bf16, as released), fp8 (the transformer's large layers in 8 bits, weights and activations);
            `offload`, none, model (each module on the GPU only while it computes) or encoders (the text encoders leave
            before denoising), ignored without a GPU; `compile`, none or regions (the transformer's blocks); `batch`,
            candidates or image; `size_px`, a multiple of 16; `max_sequence_length`, tokens of the text encoder;
            `call`, further arguments of the pipeline's call. For Stable Diffusion 3 optionally `guidance_interval`,
            `block_cache` and `reuse_first_steps` (`acceleration.options`).
        generation: `steps`; `guidance`, off at 1 and below; `swap_pooled`, whether the refined prompt also replaces
            the pooled embedding.

    Raises:
        InputError: a value outside its range.
        SetupError: the model cannot be found, fetched, loaded or put on this machine, or its class generates no image
            from a text.
    """
    pipe = _open_pipeline(model, generation, check_text_to_image)
    settings, swap_pooled = _settings(model, generation), generation["swap_pooled"]
    if model["pipeline"] != SD3:
        return PipelineEngine(PipelineCall(pipe, call=model["call"], **settings), swap_pooled)
    batch_candidates, device = model["batch"] == "candidates", default_device()
    engine = SD3Engine(
        pipe,
        device,
        offload=model["offload"],
        batch_candidates=batch_candidates,
        swap_pooled=swap_pooled,
        **settings,
        **lossy_options(model),
    )
    engine.memory_note = functools.partial(memory_note, model)
    return engine


def load_editor(model: dict, generation: dict) -> EditingEngine:
    """Load a pipeline that edits an image by an instruction.

    Args:
        model: As for `load_engine`, of a class whose call takes `image` and `prompt`.
        generation: As for `load_engine`; `swap_pooled` is not read.

    Raises:
        InputError: a value outside its range.
        SetupError: as `load_engine`, or its class edits no image by an instruction.
    """
    pipe = _open_pipeline(model, generation, check_editing)
    return EditingEngine(PipelineCall(pipe, call=model["call"], **_settings(model, generation)))


def _settings(model: dict, generation: dict) -> dict:
    """Settings of all engines."""
    steps = {key: generation[key] for key in ("steps", "guidance")}
    return steps | {key: model[key] for key in ("size_px", "max_sequence_length")}


def _pipeline_class(name: str) -> Any:
    import diffusers

    found = getattr(diffusers, name, None)
    if found is None:
        raise InputError(f"pipeline: diffusers {importlib.metadata.version('diffusers')} has no {name!r}")
    return found


def _open_pipeline(model: dict, generation: dict, check_class: Callable[[type], None]) -> Any:
    """The pipeline of an entry, on its device, if its class passes a check; raises as `load_engine`."""
    path, name, device = resolve_model_path(model["path"], model["revision"]), model["pipeline"], default_device()
    if device.type == "cpu":
        refuse_full_size_on_cpu(model["path"], model["revision"])
    _check(model, generation)
    check_class(_pipeline_class(name))
    index = _read_json(path, "model_index.json", model["revision"])
    if index.get("_class_name") != name:
        found = index.get("_class_name", "model without a class")
        raise SetupError(f"{path} holds a {found}, not a {name}: correct `pipeline` or `path`")
    if name == SD3:
        _check_size(path, model)
    if model.get("reuse_first_steps"):
        check_scheduler(_read_json(path, "scheduler/scheduler_config.json", model["revision"]))
    one_image = rows_at_once(model, 1, generation["guidance"])
    with image_device_errors(model["size_px"], lambda: memory_note(model, one_image)):
        try:
            pipe = _load_pipeline(path, index, model)
            if model["offload"] == "none":
                pipe.to(device)
            elif device.type == "cuda" and name != SD3:
                pipe.enable_model_cpu_offload()
        except (SetupError, InputError):
            raise
        except Exception as error:
            if device_error(error):
                raise
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise SetupError(
                f"the model {path} could not be loaded ({reason}): if files are missing or damaged, "
                "delete them, then fetch or build the model again"
            ) from error
    if model["compile"] == "regions":
        _compile(pipe)
    return pipe


def _check(model: dict, generation: dict) -> None:
    """Refuse what no pipeline or not this machine can do, before anything large is fetched."""
    name = model["pipeline"]
    check_precision(model["precision"])
    if generation["steps"] < 1:
        raise InputError(f"steps must be at least 1, got {generation['steps']}")
    check_options(model, generation)
    if name == SD3 and not 0 < model["max_sequence_length"] <= MAX_TOKENS:
        raise InputError(f"max_sequence_length must be from 1 to {MAX_TOKENS}, got {model['max_sequence_length']}")
    if name == SD3 and model["call"]:
        raise InputError(f"call is for pipelines other than {SD3}, whose arguments have keys of their own: empty it")
    if name != SD3 and (model["batch"] != "image" or model["offload"] == "encoders"):
        raise InputError(
            f"{name} generates each image in its own pipeline call: set batch to image, and offload to none or model"
        )


def _check_size(path: str, model: dict) -> None:
    """Refuse a size that Stable Diffusion 3 cannot split into patches, from its config files alone."""
    vae = _read_json(path, "vae/config.json", model["revision"])
    transformer = _read_json(path, "transformer/config.json", model["revision"])
    # As StableDiffusion3Pipeline computes `vae_scale_factor` and `patch_size`; the defaults are those of diffusers.
    unit = 2 ** (len(vae.get("block_out_channels", (64,))) - 1) * transformer.get("patch_size", 2)
    if model["size_px"] < unit or model["size_px"] % unit:
        raise InputError(f"size_px must be a multiple of {unit} for this model, got {model['size_px']}")


def _load_pipeline(path: str, index: dict, model: dict) -> Any:
    """The diffusers pipeline; quantised on the GPU, and loaded past main memory, where that is where it stays."""
    import diffusers
    from diffusers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    revision, precision, name = model["revision"] or None, model["precision"], model["pipeline"]
    # For models published without the T5 encoder the pipeline needs an explicit None.
    optional = ("text_encoder_3", "tokenizer_3") if name == SD3 else ()
    parts = {part: None for part in optional if not any(index.get(part, []))}
    gpu = loading_device()
    if precision in QUANTIZER:
        if "transformer" not in index:
            raise InputError(f"precision {precision} is for models with a transformer, not {name}: set it to bf16")
        parts["transformer"] = getattr(diffusers, index["transformer"][1]).from_pretrained(
            path,
            subfolder="transformer",
            revision=revision,
            quantization_config=quantization_config(precision),
            dtype=torch.bfloat16,
            device_map=gpu,  # each layer is quantised there; otherwise torchao uses one core of the CPU
        )
    resident = gpu if model["offload"] == "none" else None
    pipe = _pipeline_class(name).from_pretrained(
        path, revision=revision, dtype=DTYPES[precision], device_map=resident, **parts
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def loading_device() -> str | None:
    """Where weights are read to directly: the GPU; None for main memory, where there is no GPU."""
    device = default_device()
    return None if device.type == "cpu" else device.type


def _compile(pipe: Any) -> None:
    """Compile the transformer's repeated blocks, separately for each number of rows.

    With a kernel for several numbers of rows, or one chosen by timing, an image's bytes would depend on what the
    process generated before.
    """
    transformer: Any = getattr(pipe, "transformer", None)
    kind = type(transformer).__name__
    if blocks := BLOCKS.get(kind):
        transformer._repeated_blocks = blocks
    if not getattr(transformer, "_repeated_blocks", None):
        raise InputError(f"compile: diffusers names no blocks of a {kind} to compile: set compile to none")
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    share_compile_cache()
    transformer.compile_repeated_blocks(fullgraph=True, dynamic=False, options={"deterministic": True})


def _read_json(path: str, name: str, revision: str) -> dict:
    """A small JSON file of a model, read before anything large is fetched."""
    try:
        return dict(json.loads(fetch_model_file(path, name, revision).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise SetupError(f"the {name} of {path} cannot be read: fetch or build the model again") from error
