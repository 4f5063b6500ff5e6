"""GPU, driver, CUDA, cuDNN, attention kernels, CPU and versions: what an image's bytes depend on besides its key.

With all of them equal, two processes generate the same bytes (`torch_setup` sets what that needs); with one of them
different, images may differ in rounding. Each new row of a manifest records them.
"""

import functools
import platform
import sys
from pathlib import Path

from detailscribe.engines.gpu.installed import nvidia_gpus
from detailscribe.engines.versions import installed_version, library_versions

LIBRARIES = ("torch", "diffusers", "transformers")
UNKNOWN = "a machine that was not recorded"
# Facts of a row besides versions of Python packages, in the words of `machine_description`.
FACTS = {
    "gpu": "{}",
    "cpu": "{}",
    "cpu_threads": "{} threads",
    "cpu_capability": "CPU instructions {}",
    "compute_capability": "compute capability {}",
    "multiprocessors": "{} multiprocessors",
    "driver": "driver {}",
    "cuda": "CUDA {}",
    "rocm": "ROCm {}",
    "cudnn": "cuDNN {}",
    "attention": "attention {}",
}


def image_software(model: dict) -> dict[str, str]:
    """Library versions and facts of this machine, for the rows of the images that a model generates here.

    Args:
        model: Its `precision` and `compile` add the packages that they use.

    Returns:
        `torch`, `diffusers`, `transformers`, where they are used `bitsandbytes`, `torchao`, `triton`; `attention`,
        `cpu_capability`; on a GPU `gpu`, `compute_capability`, `multiprocessors`, `driver`, `cuda`, `cudnn`; on a CPU
        `cpu`, `cpu_threads`. What cannot be found out is left out.
    """
    from detailscribe.engines.precision import QUANTIZER
    from detailscribe.engines.torch_setup import default_device

    used = [QUANTIZER[model["precision"]]] if model["precision"] in QUANTIZER else []
    on_gpu = default_device().type == "cuda"
    triton = installed_version("triton") if on_gpu and model.get("compile", "none") != "none" else None
    facts = {
        "triton": triton,
        "attention": _attention(on_gpu),
        **(_gpu_facts() if on_gpu else _cpu_facts()),
        **_vector_instructions(),
    }
    return library_versions([*LIBRARIES, *used]) | {name: value for name, value in facts.items() if value}


def machine_description(software: dict[str, str]) -> str:
    """The machine that made an image, from what its row records; rows of earlier versions name none."""
    parts = [words.format(software[name]) for name, words in FACTS.items() if name in software]
    return ", ".join(parts).replace(", 1 threads", ", 1 thread") or UNKNOWN


def processor_name() -> str:
    """What computes in this process: the GPU's name, or the CPU's with its number of threads."""
    if "torch" not in sys.modules:  # a metric of the user's may do without
        return _cpu_name()
    import torch

    from detailscribe.engines.torch_setup import default_device

    if default_device().type == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' * (threads > 1)}"


def _gpu_facts() -> dict[str, str]:
    import torch

    card = torch.cuda.get_device_properties(torch.cuda.current_device())
    cudnn = torch.backends.cudnn.version() or 0
    return {
        "gpu": card.name,
        "compute_capability": f"{card.major}.{card.minor}",
        "multiprocessors": str(card.multi_processor_count),
        "driver": _driver(),
        "cuda": torch.version.cuda or "",
        "rocm": torch.version.hip or "",
        "cudnn": f"{cudnn // 10000}.{cudnn % 10000 // 100}.{cudnn % 100}" if cudnn >= 90000 else str(cudnn or ""),
    }


def _cpu_facts() -> dict[str, str]:
    import torch

    return {"cpu": _cpu_name(), "cpu_threads": str(torch.get_num_threads())}


def _vector_instructions() -> dict[str, str]:
    """The vector instructions that torch uses on the CPU, which also samples the noise of images on a GPU."""
    import torch

    return {"cpu_capability": torch.backends.cpu.get_cpu_capability()}


def _attention(on_gpu: bool) -> str:
    """Attention kernels that torch may choose from, after the backend of diffusers, if that is not torch's own."""
    import torch
    from diffusers.utils.constants import DIFFUSERS_ATTN_BACKEND

    kernels = torch.backends.cuda
    enabled = {
        "cudnn": on_gpu and kernels.cudnn_sdp_enabled(),
        "flash": kernels.flash_sdp_enabled(),
        "memory-efficient": on_gpu and kernels.mem_efficient_sdp_enabled(),
        "math": kernels.math_sdp_enabled(),
    }
    chosen = ", ".join(name for name, on in enabled.items() if on)
    return chosen if DIFFUSERS_ATTN_BACKEND == "native" else f"{DIFFUSERS_ATTN_BACKEND} (diffusers); {chosen}"


@functools.cache
def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def _driver() -> str:
    """Version of NVIDIA's driver; empty where it cannot be found out."""
    return nvidia_gpus().driver
