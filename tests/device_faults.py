"""Errors as torch, its libraries and tools raise them, with what each says of the device: None if it is the prompt's.

Messages are those of PyTorch (c10/cuda), cuBLAS, cuDNN, NCCL, Triton, bitsandbytes, ROCm and Python.
"""

import errno
from collections.abc import Callable

import torch

from detailscribe.engines.gpu.device_errors import BROKEN, COMPILER, MAIN_MEMORY, MEMORY, NO_CODE
from detailscribe.errors import InputError, SetupError

ASYNCHRONOUS = "\nCUDA kernel errors might be asynchronously reported at some other API call.\nFor debugging consider"
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.65 GiB of which 1.19 GiB is free."
)
CPU_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
)


def wrapped(outer: Exception, inner: Exception, explicitly: bool = True) -> Exception:
    """An error that another one was raised from, or in whose handling it was raised."""
    outer.__cause__, outer.__context__ = (inner, inner) if explicitly else (None, inner)
    return outer


def hidden(outer: Exception, inner: Exception) -> Exception:
    """An error raised `from None` in the handling of another one."""
    outer.__context__, outer.__suppress_context__ = inner, True
    return outer


def looped() -> Exception:
    """An error of a prompt whose chain leads back to itself."""
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    return first


def backend_failed(inner: Exception) -> Exception:
    """What torch.compile raises where its backend fails."""
    return wrapped(torch._dynamo.exc.BackendCompilerFailed("inductor", inner, None), inner)


FAULTS: dict[str, tuple[Callable[[], Exception], str | None]] = {
    # The device, its driver, its libraries
    "illegal address": (
        lambda: torch.AcceleratorError("CUDA error: an illegal memory access was encountered" + ASYNCHRONOUS),
        BROKEN,
    ),
    "older torch": (lambda: RuntimeError("CUDA error: an illegal memory access was encountered"), BROKEN),
    "assert": (lambda: torch.AcceleratorError("CUDA error: device-side assert triggered"), BROKEN),
    "launch": (lambda: RuntimeError("cuda runtime error (4) : unspecified launch failure at THCTensorCopy.cu"), BROKEN),
    "ecc": (lambda: torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"), BROKEN),
    "busy": (lambda: RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"), BROKEN),
    "lost": (lambda: RuntimeError("No CUDA GPUs are available"), BROKEN),
    "no driver": (lambda: RuntimeError("Found no NVIDIA driver on your system."), BROKEN),
    "old driver": (
        lambda: RuntimeError("The NVIDIA driver on your system is too old (found version 12080)."),
        BROKEN,
    ),
    "unknown": (
        lambda: RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment"),
        BROKEN,
    ),
    "lazy": (
        lambda: torch.cuda.DeferredCudaCallError("CUDA call failed lazily at initialization with error: x"),
        BROKEN,
    ),
    "cpu build": (lambda: AssertionError("Torch not compiled with CUDA enabled"), BROKEN),
    "no accelerator": (lambda: RuntimeError("Cannot access accelerator device when none is available."), BROKEN),
    "driver": (lambda: RuntimeError("CUDA driver error: unknown error"), BROKEN),
    "cublas": (
        lambda: RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa)`"),
        BROKEN,
    ),
    "cublas by itself": (lambda: RuntimeError("CUBLAS_STATUS_INTERNAL_ERROR"), BROKEN),
    "cudnn": (lambda: RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), BROKEN),
    "cudnn engine": (lambda: RuntimeError("GET was unable to find an engine to execute this computation"), BROKEN),
    "cufft": (lambda: RuntimeError("cuFFT error: CUFFT_INTERNAL_ERROR"), BROKEN),
    "nccl": (
        lambda: torch.distributed.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp, unhandled cuda error"),
        BROKEN,
    ),
    "triton": (lambda: RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), BROKEN),
    "triton context": (lambda: RuntimeError("Triton Error [CUDA]: invalid device context"), BROKEN),
    "bitsandbytes": (lambda: Exception("cublasLt ran into an error!\n\tshapeA=(1, 2)"), BROKEN),
    "bitsandbytes setup": (lambda: RuntimeError("CUDA Setup failed despite GPU being available."), BROKEN),
    "quantization": (lambda: RuntimeError("No GPU found. A GPU is needed for quantization."), BROKEN),
    "hip": (lambda: torch.AcceleratorError("HIP error: an illegal memory access was encountered"), BROKEN),
    "older hip": (lambda: RuntimeError("HIP error: invalid device pointer"), BROKEN),
    "miopen": (lambda: RuntimeError("miopenStatusUnknownError"), BROKEN),
    "rocblas": (lambda: RuntimeError("CUDA error: rocblas_status_internal_error when calling `rocblas_sgemm`"), BROKEN),
    "allocator": (
        lambda: RuntimeError('!handles_.at(i) INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":400'),
        BROKEN,
    ),
    # Its kind of card
    "no kernel": (
        lambda: torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device"),
        NO_CODE,
    ),
    "no function": (lambda: RuntimeError("HIP error: invalid device function"), NO_CODE),
    # Its memory
    "memory": (lambda: torch.OutOfMemoryError(OUT_OF_MEMORY), MEMORY),
    "memory of a library": (lambda: RuntimeError("CUDA out of memory"), MEMORY),
    "memory at a call": (lambda: torch.AcceleratorError("CUDA error: out of memory" + ASYNCHRONOUS), MEMORY),
    "memory of cublas": (
        lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
        MEMORY,
    ),
    "memory of triton": (lambda: RuntimeError("Triton Error [CUDA]: out of memory"), MEMORY),
    "memory of hip": (lambda: RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB."), MEMORY),
    # The machine's memory
    "python": (lambda: MemoryError(), MAIN_MEMORY),
    "cpu": (lambda: RuntimeError(CPU_MEMORY), MAIN_MEMORY),
    "system": (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), MAIN_MEMORY),
    # The compiler
    "dynamo": (lambda: torch._dynamo.exc.Unsupported("a call"), COMPILER),
    "backend": (lambda: backend_failed(RuntimeError("no such option")), COMPILER),
    "c compiler": (
        lambda: RuntimeError("Failed to find C compiler. Please specify via CC environment variable."),
        COMPILER,
    ),
    "nvrtc": (lambda: RuntimeError("nvrtc: error: invalid value for --gpu-architecture (-arch)"), COMPILER),
    # Wrapped
    "cause": (lambda: wrapped(ValueError("cannot decode"), torch.AcceleratorError("CUDA error: x")), BROKEN),
    "context": (lambda: wrapped(KeyError("x"), RuntimeError("CUDA error: x"), explicitly=False), BROKEN),
    "hidden context": (lambda: hidden(ValueError("x"), RuntimeError("CUDA error: x")), BROKEN),
    "group": (lambda: ExceptionGroup("two", [ValueError("x"), torch.OutOfMemoryError(OUT_OF_MEMORY)]), MEMORY),
    "memory while compiling": (lambda: backend_failed(torch.OutOfMemoryError(OUT_OF_MEMORY)), MEMORY),
    "broken before memory": (
        lambda: wrapped(torch.OutOfMemoryError(OUT_OF_MEMORY), torch.AcceleratorError("CUDA error: x")),
        BROKEN,
    ),
    # One prompt, or one image
    "value": (lambda: ValueError("the prompt is empty"), None),
    "not finite": (lambda: FloatingPointError("the image has values that are not finite"), None),
    "tokenizer": (lambda: TypeError("TextEncodeInput must be Union[TextInputSequence, Tuple]"), None),
    "index": (lambda: IndexError("index out of range in self"), None),
    "shape": (lambda: RuntimeError("The size of tensor a (77) must match the size of tensor b (78)"), None),
    "two devices": (
        lambda: RuntimeError("Expected all tensors to be on the same device, but found at least two"),
        None,
    ),
    "missing": (lambda: FileNotFoundError(errno.ENOENT, "No such file or directory"), None),
    "not implemented": (lambda: NotImplementedError("CUDA error: no"), None),
    "a prompt about GPUs": (lambda: ValueError("cannot read the prompt 'CUDA error: out of memory'"), None),
    "an image that takes all memory": (lambda: wrapped(ValueError("cannot be read"), MemoryError()), None),
    "loop": (looped, None),
    "input": (lambda: InputError("steps must be at least 1"), None),
    "set-up": (lambda: SetupError("CUDA out of memory"), None),
}
OF_PROMPTS = [name for name, (_, kind) in FAULTS.items() if kind is None and name not in ("input", "set-up", "missing")]
OF_DEVICES = [name for name, (_, kind) in FAULTS.items() if kind is not None]


def fault(name: str) -> Exception:
    """The error of this name."""
    return FAULTS[name][0]()
