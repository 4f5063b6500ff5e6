"""Precisions of an image model: data types, quantization, and what each needs from the machine."""

import importlib.util
from typing import Any

import torch

from detailscribe.engines.torch_setup import default_device
from detailscribe.errors import InputError, SetupError

DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "nf4": torch.bfloat16,
    "fp8": torch.bfloat16,
}
NEED_CUDA = ("nf4", "fp16", "fp8")
QUANTIZER = {"nf4": "bitsandbytes", "fp8": "torchao"}  # packages of requirements-gpu.txt
FP8_CAPABILITY = (8, 9)  # of the GPU: Ada Lovelace, Hopper and later
# Layers that stay in bf16 under fp8: small ones at both ends, and the modulations, which see one token per row.
NOT_IN_FP8 = ["pos_embed", "time_text_embed", "context_embedder", "x_embedder", "norm1", "norm1_context", "norm_out"]
NOT_IN_FP8 += ["norm", "proj_out", "img_mod", "txt_mod", "img_in", "txt_in"]


def check_precision(precision: str) -> None:
    """Refuse an unknown precision, and one that this machine lacks the GPU or the package for.

    Raises:
        InputError: the precision is unknown.
        SetupError: the machine cannot use it.
    """
    if precision not in DTYPES:
        raise InputError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
    if precision in NEED_CUDA and default_device().type != "cuda":
        raise SetupError(f"precision {precision} needs a CUDA GPU and none was found: set precision to bf16 or fp32")
    if precision == "fp8" and (capability := torch.cuda.get_device_capability()) < FP8_CAPABILITY:
        needed, found = (".".join(map(str, version)) for version in (FP8_CAPABILITY, capability))
        raise SetupError(
            f"precision fp8 needs a GPU of compute capability {needed}, this one has {found}: set precision to bf16"
        )
    package = QUANTIZER.get(precision)
    if package and importlib.util.find_spec(package) is None:
        raise SetupError(
            f"precision {precision} needs the package {package}: install requirements-gpu.txt, or set precision to bf16"
        )


def quantization_config(precision: str) -> Any:
    """The diffusers configuration of nf4, as released, or of fp8: weights per row, activations per token."""
    from diffusers import BitsAndBytesConfig, TorchAoConfig

    if precision == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow

    # By default torchao lets the compiler choose kernels by timing them, and an image's bytes depend on the choice.
    config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
    return TorchAoConfig(config, modules_to_not_convert=list(NOT_IN_FP8))


def is_quantized(part: torch.nn.Module) -> bool:
    """Whether diffusers quantised this part of a pipeline while loading it."""
    return bool(getattr(part, "is_quantized", False))
