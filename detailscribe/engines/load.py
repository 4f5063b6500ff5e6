"""Loading an image model: which pipeline, in which precision, where its parts wait, whether it is compiled."""

import importlib.metadata
import importlib.util
import json
import sys

import torch

from detailscribe.engines.any_pipeline import CallbackEngine
from detailscribe.engines.sd3 import Engine, friendly_cuda_errors
from detailscribe.engines.torch_setup import device
from detailscribe.engines.weights import fetch, located
from detailscribe.errors import InputError, SetupError

SD3 = "StableDiffusion3Pipeline"
DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "nf4": torch.bfloat16,
    "fp8": torch.bfloat16,
}
QUANTIZER = {"nf4": "bitsandbytes", "fp8": "torchao"}  # packages of requirements-gpu.txt
FP8_CAPABILITY = (8, 9)  # of the CUDA card: Ada Lovelace, Hopper and later
# Layers that stay in bf16 under fp8: small ones at both ends, and the modulations, which see one token a row.
NOT_IN_FP8 = ["pos_embed", "time_text_embed", "context_embedder", "x_embedder", "norm1", "norm1_context", "norm_out"]
NOT_IN_FP8 += ["norm", "proj_out", "img_mod", "txt_mod", "img_in", "txt_in"]
MAX_TOKENS = 512  # of the T5 encoder, as Stable Diffusion 3's pipeline allows
# Regions to compile where diffusers names none.
BLOCKS = {"SD3Transformer2DModel": ["JointTransformerBlock"]}
RECOMPILE_LIMIT = 256  # one compiled block for each kind of block and number of rows


def load_engine(model: dict, generation: dict) -> Engine | CallbackEngine:
    """Load a pipeline.

    Args:
        model: `pipeline`, its class in diffusers; `path`, a folder or a repository of the Hugging Face hub; `revision`,
            "" for a folder; `precision`, one of fp32, bf16, fp16, nf4 (the transformer in 4 bits, the rest and all
            arithmetic in bf16, as released), fp8 (the transformer's large layers in 8 bits, weights and what they are
            multiplied with); `offload`, none, model (each part on the card only while it works) or encoders (the text
            encoders leave before denoising), ignored without a card; `compile`, none or regions (the transformer's
            blocks); `batch`, candidates or image; `size_px`, a multiple of 16; `max_sequence_length`, tokens of the
            text encoder; `call`, further arguments of the pipeline's call.
        generation: `steps`; `guidance`, off at 1 and below; `swap_pooled`, whether the refined prompt also takes over
            the pooled embedding.

    Raises:
        InputError: a value outside its range.
        SetupError: the model cannot be found, fetched, loaded or put on this machine.
    """
    path, name, where = located(model["path"], model["revision"]), model["pipeline"], device()
    _check(model, generation)
    index = _index(path, model["revision"])
    if index.get("_class_name") != name:
        found = index.get("_class_name", "model without a class")
        raise SetupError(f"{path} holds a {found}, not a {name}: correct `pipeline` or `path`")
    with friendly_cuda_errors(model["size_px"]):
        try:
            pipe = _pipeline(path, index, model)
            if where.type == "cuda" and model["offload"] == "model":
                pipe.enable_model_cpu_offload()
            elif model["offload"] != "encoders":
                pipe.to(where)
        except (SetupError, InputError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            raise SetupError(
                f"the model {path} could not be loaded ({reason}): if files are missing or damaged, "
                "delete them and let them be fetched or built again"
            ) from error
    if model["compile"] == "regions":
        _compile(pipe)
    settings = {key: generation[key] for key in ("steps", "guidance", "swap_pooled")}
    settings |= {key: model[key] for key in ("size_px", "max_sequence_length")}
    if name != SD3:
        return CallbackEngine(pipe, call=model["call"], **settings)
    unit = pipe.vae_scale_factor * pipe.patch_size
    if model["size_px"] < unit or model["size_px"] % unit:
        raise InputError(f"size_px must be a multiple of {unit} for this model, got {model['size_px']}")
    return Engine(pipe, where, offload=model["offload"], together=model["batch"] == "candidates", **settings)


def _check(model: dict, generation: dict) -> None:
    """Refuse what no pipeline or not this machine can do, before anything large is fetched."""
    precision, name = model["precision"], model["pipeline"]
    if precision not in DTYPES:
        raise InputError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
    if generation["steps"] < 1:
        raise InputError(f"steps must be at least 1, got {generation['steps']}")
    if name == SD3 and not 0 < model["max_sequence_length"] <= MAX_TOKENS:
        raise InputError(f"max_sequence_length must be from 1 to {MAX_TOKENS}, got {model['max_sequence_length']}")
    if name == SD3 and model["call"]:
        raise InputError(f"call is for other pipelines than {SD3}, whose arguments have keys of their own: empty it")
    if name != SD3 and (model["batch"] != "image" or model["offload"] == "encoders"):
        raise InputError(
            f"{name} runs as it is, each image on its own: set batch to image, and offload to none or model"
        )
    card = device().type == "cuda"
    if precision in ("nf4", "fp16", "fp8") and not card:
        raise SetupError(f"precision {precision} needs a CUDA card and none was found: set precision to bf16 or fp32")
    if precision == "fp8" and (found := torch.cuda.get_device_capability()) < FP8_CAPABILITY:
        needed, found = (".".join(map(str, version)) for version in (FP8_CAPABILITY, found))
        raise SetupError(
            f"precision fp8 needs a card of compute capability {needed}, this one has {found}: set precision to bf16"
        )
    package = QUANTIZER.get(precision)
    if package and importlib.util.find_spec(package) is None:
        raise SetupError(
            f"precision {precision} needs the package {package}: install requirements-gpu.txt, or set precision to bf16"
        )


def _pipeline(path: str, index: dict, model: dict):
    """The diffusers pipeline on the processor; in nf4 the transformer is on the card at once, as bitsandbytes wants."""
    import diffusers
    from diffusers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    revision, precision, name = model["revision"] or None, model["precision"], model["pipeline"]
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise InputError(f"pipeline: diffusers {importlib.metadata.version('diffusers')} has no {name!r}")
    # Models published without the T5 encoder: the pipeline wants to be told.
    optional = ("text_encoder_3", "tokenizer_3") if name == SD3 else ()
    parts = {part: None for part in optional if not any(index.get(part, []))}
    if precision in QUANTIZER:
        if "transformer" not in index:
            raise InputError(f"precision {precision} is for models with a transformer, not {name}: set it to bf16")
        parts["transformer"] = getattr(diffusers, index["transformer"][1]).from_pretrained(
            path,
            subfolder="transformer",
            revision=revision,
            quantization_config=quantization(precision),
            dtype=torch.bfloat16,
        )
    pipe = kind.from_pretrained(path, revision=revision, dtype=DTYPES[precision], **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def quantization(precision: str):
    """The diffusers configuration of nf4, as released, or of fp8: weights by row, what they multiply by token."""
    from diffusers import BitsAndBytesConfig, TorchAoConfig

    if precision == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow

    # torchao would have the compiler choose kernels by timing them, and the bytes of an image hang on the choice.
    kind = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
    return TorchAoConfig(kind, modules_to_not_convert=list(NOT_IN_FP8))


def _compile(pipe) -> None:
    """Compile the transformer's repeated blocks, each number of rows for itself.

    A kernel that served several numbers of rows, or that was chosen by timing, would let an image's bytes hang on what
    the process drew before.
    """
    transformer = getattr(pipe, "transformer", None)
    kind = type(transformer).__name__
    if blocks := BLOCKS.get(kind):
        transformer._repeated_blocks = blocks
    if not getattr(transformer, "_repeated_blocks", None):
        raise InputError(f"compile: diffusers names no blocks of a {kind} to compile: set compile to none")
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    transformer.compile_repeated_blocks(fullgraph=True, dynamic=False, options={"deterministic": True})


def _index(path: str, revision: str) -> dict:
    """What a model says of itself, read before anything large is fetched: class of the pipeline and of its parts."""
    try:
        return dict(json.loads(fetch(path, "model_index.json", revision).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise SetupError(f"the model_index.json of {path} cannot be read: fetch or build the model again") from error
