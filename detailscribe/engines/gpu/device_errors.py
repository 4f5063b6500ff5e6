"""Errors of the GPU, its libraries, memory or compiler, told from errors of one prompt: they end a job.

CUDA errors are sticky: after an illegal memory access every later call of the process fails, and so would every later
prompt, through no fault of its own. Here is decided which exceptions are of that kind; loops over prompts and images
ask here. Imports no torch, since a loop may run without it: types are compared by name.
"""

import contextlib
import errno
import re
from collections.abc import Callable, Iterator

from detailscribe.errors import InputError, SetupError

BROKEN, NO_CODE, MEMORY, MAIN_MEMORY, COMPILER = "broken", "no code", "memory", "main memory", "compiler"
SEVERITY = (BROKEN, NO_CODE, MEMORY, MAIN_MEMORY, COMPILER)  # the first that occurs in a chain of errors counts

# By the name of a type or of one of its bases.
TYPES = {
    "torch.AcceleratorError": BROKEN,
    "torch.cuda.CudaError": BROKEN,
    "torch.cuda.DeferredCudaCallError": BROKEN,
    "torch.distributed.DistBackendError": BROKEN,
    "torch.OutOfMemoryError": MEMORY,
    "torch.cuda.OutOfMemoryError": MEMORY,
    "torch._dynamo.exc.TorchDynamoException": COMPILER,
    "torch._inductor.exc.CppCompileError": COMPILER,
    "torch._inductor.exc.InvalidCxxCompiler": COMPILER,
    "triton.compiler.errors.CompilationError": COMPILER,
    "triton.runtime.errors.OutOfResources": COMPILER,
}
# By the message of an error whose type says nothing; the first that occurs in it counts.
MESSAGES = {
    NO_CODE: re.compile(
        "no kernel image is available|invalid device function|device kernel image is invalid"
        "|PTX was compiled with an unsupported toolchain"
    ),
    MEMORY: re.compile(
        r"\b(?:CUDA|HIP)(?: (?:driver |runtime )?error:)? out of memory|Triton Error \[\w+\]: out of memory"
        r"|\b(?:cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory)\b"
        r"|\b\w+_STATUS_ALLOC_FAILED\b|\bCUBLAS_STATUS_NOT_INITIALIZED\b"  # the latter where its workspace does not fit
    ),
    MAIN_MEMORY: re.compile("DefaultCPUAllocator: (?:can't allocate|not enough) memory"),
    COMPILER: re.compile("Failed to find C compiler|nvrtc: error|NVRTC_ERROR"),
    BROKEN: re.compile(
        r"\b(?:CUDA|HIP|cuda) (?:driver |runtime )?error\b|\bCUDA unknown error|\b(?:cuda|hip)Error[A-Z]\w+"
        r"|\b(?:CUDA|HIP|HSA_STATUS|NVML)_ERROR\w*"
        r"|\bcu(?:BLAS(?:Lt)?|DNN|FFT|SOLVER|SPARSE|RAND) (?:error|API failed)|\bcublasLt ran into an error"
        r"|\b(?:CU|HIP)[A-Z]{3,}_STATUS_[A-Z]+|\brocblas_status_\w+|\bmiopenStatus\w+|\bMIOpen Error"
        r"|unable to find an engine to execute|\bTriton Error \[(?:CUDA|HIP)\]|\bNCCL (?i:error)|\bnccl\w+Error\b"
        r"|illegal memory access|misaligned address|device-side assert|unspecified launch failure"
        r"|uncorrectable ECC error|fallen off the bus|GPU is lost|driver shutting down|CUDA-capable device"
        r"|accelerator device when none is available|No (?:CUDA|HIP) GPUs are available"
        r"|Found no NVIDIA driver|NVIDIA driver on your system is too old"
        r"|CUDA driver initialization failed|Torch not compiled with CUDA|CUDA (?i:setup) failed|No GPU found"
        r"|INTERNAL ASSERT FAILED at \S*(?:cuda|CUDA|hip)"
    ),
}
CAPACITY = re.compile(r"total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free")
EXCERPT = 240  # characters of an error's first line that a message repeats
KEPT = "what was finished is kept"


class DeviceError(SetupError):
    """The GPU, its driver, memory or compiler fails, whatever the prompt; the message names the remedy.

    Args:
        kind: One of SEVERITY.
        happened: What happened.
        remedy: What to do.
        place: Where it happened, as "the prompt a-fox"; named only where the place may be to blame.
    """

    def __init__(self, kind: str, happened: str, remedy: str, place: str = ""):
        self.kind, self.happened, self.remedy = kind, happened, remedy
        at, again = "", ""
        if place and kind == BROKEN:
            at, again = f" at {place}", f"; if it always stops at {place}, correct or remove that"
        super().__init__(f"{happened}{at}; {KEPT}: {remedy}{again}")


@contextlib.contextmanager
def friendly_device_errors(place: str = "", what: str = "this model", lighter: str = "") -> Iterator[None]:
    """Let errors of the device, also those wrapped by others, end the job with one sentence; leave all others alone.

    Args:
        place: Where the work is, as "the prompt a-fox".
        what: What the GPU memory may be too small for.
        lighter: What makes that smaller.

    Raises:
        DeviceError: in place of an error of the device.
    """
    try:
        yield
    except DeviceError as error:
        if not place:
            raise
        raise DeviceError(error.kind, error.happened, error.remedy, place) from error
    except Exception as error:
        if translated := device_error(error, place, what, lighter):
            raise translated from error
        raise


@contextlib.contextmanager
def image_device_errors(size_px: int, expected: Callable[[], str] = str) -> Iterator[None]:
    """`friendly_device_errors` for an image model; `expected` says what memory it should take, "" if unknown."""
    lighter = "set batch to image, offload to encoders or model, precision to nf4, or size_px lower"
    try:
        with friendly_device_errors(what=f"an image of {size_px} px", lighter=lighter):
            yield
    except DeviceError as error:
        if error.kind != MEMORY or not (memory := expected()):
            raise
        raise DeviceError(MEMORY, f"{error.happened}; {memory}", error.remedy) from error


def device_error(
    error: BaseException, place: str = "", what: str = "this model", lighter: str = ""
) -> DeviceError | None:
    """The error to end a job with, or None for an error of something else; arguments as `friendly_device_errors`."""
    if isinstance(error, DeviceError):
        return error
    found = {kind: each for each in reversed(_chain(error)) if (kind := _kind(each, each is error))}
    kind = next((each for each in SEVERITY if each in found), None)
    if kind is None:
        return None
    words = _first_line(found[kind])
    if kind == MEMORY:
        size = CAPACITY.search(str(found[kind]))
        free = f" ({size[2]} of its {size[1]} are free)" if size else ""
        remedy = f"{lighter}, or end other programs on the GPU" if lighter else "end other programs on the GPU"
        return DeviceError(kind, f"the GPU memory is too small for {what}{free}", remedy)
    if kind == MAIN_MEMORY:
        remedy = "run fewer jobs at once, give a job more (`mem_mb` of the profile), or end other programs"
        return DeviceError(kind, f"the main memory of this machine is too small ({words})", remedy)
    if kind == COMPILER:
        remedy = "install a C++ compiler (and Triton on a GPU machine), or set compile to none"
        return DeviceError(kind, f"the transformer could not be compiled ({words})", remedy)
    if kind == NO_CODE:
        remedy = (
            "install a build of torch for this GPU, https://pytorch.org/get-started/locally/ (for compute capability "
            "below 7.5 from https://download.pytorch.org/whl/cu126)"
        )
        return DeviceError(kind, f"the installed libraries have no code for this GPU ({words})", remedy)
    remedy = (
        "run again, and if it returns, check the card with `nvidia-smi` (AMD: `rocm-smi`) and the kernel's messages "
        "with `dmesg | grep -i xid`"
    )
    return DeviceError(kind, f"the GPU or its driver failed ({words})", remedy, place)


def _kind(error: BaseException, outermost: bool) -> str | None:
    """What an error by itself says of the device."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return MAIN_MEMORY if outermost else None  # inside another: a file that a decoder of images gave up on
    if isinstance(error, InputError | SetupError | NotImplementedError | RecursionError):
        return None
    bases = [f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__]
    by_type = next((TYPES[name] for name in bases if name in TYPES), None)
    # A ValueError may well repeat a prompt, and a prompt may say anything.
    if by_type is None and not (isinstance(error, RuntimeError | AssertionError) or type(error) is Exception):
        return None
    by_message = next((kind for kind, pattern in MESSAGES.items() if pattern.search(str(error))), None)
    return by_message if by_type in (None, BROKEN) and by_message else by_type


def _chain(error: BaseException) -> list[BaseException]:
    """An error with those that it wraps or was raised from, outermost first."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and not any(each is known for known in found):
            found.append(each)
            waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return found


def _first_line(error: BaseException) -> str:
    """The first paragraph of an error's message in one line, or its type if it has none."""
    words = " ".join(str(error).strip().split("\n\n")[0].split()) if _is_compiler(error) else str(error).strip()
    words = " ".join(words.partition("\n")[0].split())
    return words[:EXCERPT] + ("…" if len(words) > EXCERPT else "") if words else type(error).__name__


def _is_compiler(error: BaseException) -> bool:
    # Dynamo's first line names the backend, the second the cause.
    return any("_dynamo" in base.__module__ for base in type(error).__mro__)
