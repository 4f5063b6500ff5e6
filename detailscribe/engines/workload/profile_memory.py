"""Expected memory of an image model's settings: on the GPU, in main memory and on disk, derived without a GPU.

The expected peak on the GPU is that of the largest phase (texts, denoising, decoding): the weights that are on the GPU
in it, and its tensors. CUDA's context, workspaces of libraries and fragmentation come on top (`OVERHEAD_BYTES` and
`FRAGMENTATION`, assumed). `sd3.SD3Engine` decides what is where in which phase.
"""

import functools
from dataclasses import dataclass

import torch

from detailscribe.engines.precision import DTYPES, NOT_IN_FP8
from detailscribe.engines.workload.architectures import ENCODERS, architecture
from detailscribe.engines.workload.sd3_work import SD3Work
from detailscribe.errors import SetupError

PHASES = {"texts": ENCODERS, "denoising": ("transformer",), "decoding": ("vae",)}
QUANTIZED = {"nf4": 0.5 + 4 / 64, "fp8": 1.0}  # bytes per weight; nf4: a scale in fp32 for each block of 64
FP8_SCALE_BYTES = 4  # per row of a weight
CACHED_STATES = 5  # of a block cache: two residuals that are kept; the first block's input, output and residual
OVERHEAD_BYTES = 1_000_000_000
FRAGMENTATION = 0.05  # of the peak
GPUS_GIB = (8, 10, 12, 16, 20, 24, 32, 40, 48, 80, 96, 141)  # that GPUs are sold with


@dataclass(frozen=True)
class ExpectedMemory:
    """Bytes. gpu: peak by phase; main: most weights in main memory; disk: the files that the pipeline reads."""

    gpu: dict[str, int]
    main: int
    disk: int

    @property
    def gpu_peak(self) -> int:
        """Bytes of the largest phase."""
        return max(self.gpu.values())

    @property
    def gpu_needed(self) -> int:
        """Bytes that a GPU should have: the peak, and what comes on top of it."""
        return int(self.gpu_peak * (1 + FRAGMENTATION)) + OVERHEAD_BYTES

    @property
    def smallest_gpu_gib(self) -> int | None:
        """Memory in GiB of the smallest usual GPU that has enough; None: none has."""
        return next((size for size in GPUS_GIB if size * 2**30 >= self.gpu_needed), None)


def expected_memory(model: dict, rows: int) -> ExpectedMemory:
    """Expected memory of an entry of `image_models`.

    Args:
        model: As for `load.load_engine`; a StableDiffusion3Pipeline.
        rows: Rows that go through the transformer at once.

    Raises:
        SetupError: the model is of another kind, or its config files are not on this machine.
    """
    work = sd3_work(model)
    sizes = {name: weight_bytes(module, name, model["precision"]) for name, module in work.modules.items()}
    denoising = work.step(rows).peak_bytes + _dequantized_bytes(work.modules["transformer"], model["precision"])
    if model.get("block_cache"):
        denoising += CACHED_STATES * work.state_bytes(rows)
    tensors = {"texts": work.text().peak_bytes, "denoising": denoising, "decoding": work.decoding().peak_bytes}
    present = {phase: _on_gpu(phase, sizes, model) for phase in PHASES}
    gpu = {phase: tensors[phase] + sum(sizes[name] for name in present[phase]) for phase in PHASES}
    quantized = {"transformer"} if model["precision"] in QUANTIZED else set()
    loading = set() if model["offload"] == "none" else sizes.keys() - quantized
    away = [loading, *(sizes.keys() - names for names in present.values())]
    main = max(sum(sizes[name] for name in names) for names in away)
    stored = torch.float32 if model["precision"] == "fp32" else torch.bfloat16
    return ExpectedMemory(gpu, main, sum(_stored_bytes(module, stored) for module in work.modules.values()))


def sd3_work(model: dict) -> SD3Work:
    """The work of an entry of `image_models`; models that differ in their quantisation alone share it."""
    sizes = model["size_px"], model["max_sequence_length"]
    return _cached_work(model["path"], model["revision"], DTYPES[model["precision"]], *sizes)


@functools.cache
def _cached_work(path: str, revision: str, dtype: torch.dtype, size_px: int, max_sequence_length: int) -> SD3Work:
    return SD3Work(architecture(path, revision), dtype, size_px, max_sequence_length)


def weight_bytes(module: torch.nn.Module, part: str, precision: str) -> int:
    """Bytes of a part's weights and buffers in a precision; of quantised parts only the transformer."""
    linear = _quantized_layers(module, precision) if part == "transformer" else []
    weights = sum(layer.weight.numel() for layer in linear)
    scales = FP8_SCALE_BYTES * sum(layer.out_features for layer in linear) if precision == "fp8" else 0
    left = _stored_bytes(module, DTYPES[precision]) - weights * DTYPES[precision].itemsize
    return left + int(weights * QUANTIZED.get(precision, 0)) + scales


def memory_note(model: dict, rows: int) -> str:
    """A sentence for a GPU that is out of memory: what was expected, and what this GPU has; "" if unknown."""
    try:
        expected = expected_memory(model, rows)
    except (SetupError, KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        return ""
    needed = f"these settings are expected to need {expected.gpu_needed / 2**30:.1f} GiB"
    if not torch.cuda.is_available():
        return needed
    memory = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return f"{needed}, and this GPU has {memory / 2**30:.1f}"


def rows_at_once(model: dict, candidates: int, guidance: float) -> int:
    """Rows of the transformer's largest batch: of all candidates of a prompt, or of one image; doubled by guidance."""
    return (candidates if model["batch"] == "candidates" else 1) * (2 if guidance > 1 else 1)


def _on_gpu(phase: str, sizes: dict[str, int], model: dict) -> set[str]:
    """Names of the parts that are on the GPU in a phase."""
    if model["offload"] == "none":
        return set(sizes)
    if model["offload"] == "model":
        return sizes.keys() & set(PHASES[phase])
    stays = {"transformer"} if model["precision"] in QUANTIZED else set()
    return sizes.keys() & (set(ENCODERS) | stays if phase == "texts" else {"transformer", "vae"})


def _quantized_layers(module: torch.nn.Module, precision: str) -> list[torch.nn.Linear]:
    """The layers that the precision quantises, as diffusers chooses them."""
    kept = NOT_IN_FP8 if precision == "fp8" else []
    return [
        layer
        for name, layer in module.named_modules()
        if precision in QUANTIZED and isinstance(layer, torch.nn.Linear)
        if not any(f"{key}." in f"{name}.weight" for key in kept)
    ]


def _dequantized_bytes(transformer: torch.nn.Module, precision: str) -> int:
    """Bytes of the largest layer that is expanded to the compute type while it computes; 8-bit ones are not."""
    layers = _quantized_layers(transformer, precision) if precision == "nf4" else []
    return max((layer.weight.numel() * DTYPES[precision].itemsize for layer in layers), default=0)


def _stored_bytes(module: torch.nn.Module, dtype: torch.dtype) -> int:
    """Bytes of the tensors that a file of this module holds."""
    return sum(tensor.numel() for tensor in module.state_dict().values()) * dtype.itemsize
