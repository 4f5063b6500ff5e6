"""Why torch cannot use a GPU that this machine has: what was found, what is needed, and where to get it."""

import getpass
import os
import re

from detailscribe.engines.gpu import installed, torch_builds

DRIVERS = "https://www.nvidia.com/drivers"
VISIBLE_TO_NVIDIA = ("CUDA_VISIBLE_DEVICES",)
VISIBLE_TO_AMD = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")


def unavailable_reason() -> str:
    """What keeps torch from the GPU that is here, and the way out; "" if none is here. Asks where torch sees none."""
    import torch

    if not installed.nvidia_gpus_seen():
        return _amd_reason() if torch.version.hip and installed.amd_gpu_seen() else ""
    gpus = installed.nvidia_gpus()
    version, cuda = torch.__version__, torch.version.cuda
    if not cuda:
        kind = "GPUs of AMD (ROCm)" if torch.version.hip else "the CPU only"
        return f"this machine has {gpus}, but torch {version} is a build for {kind}: {_suitable_build(gpus)}"
    here = f"this machine has {gpus} that torch {version} (CUDA {cuda}) cannot use: "
    if hidden := _hidden(VISIBLE_TO_NVIDIA, gpus):
        return here + hidden
    if gpus.words and "No devices" not in gpus.words:
        return f"{here}nvidia-smi says {gpus.words!r}; restart the machine, or install its driver again ({DRIVERS})"
    needed, said = torch_builds.least_driver(cuda), _words_of_torch()
    if 0 < gpus.driver_major < needed or "too old" in said:
        older = torch_builds.suitable_cuda(gpus.driver_major, gpus.capabilities)
        build = f", or a build for an older CUDA, {torch_builds.install_command(older)}" if older else ""
        return f"{here}CUDA {cuda} needs driver {needed} or newer; install one ({DRIVERS}){build}"
    return here + (_device_file_reason() or f"torch says {said!r}; correct that, or restart the machine")


def unsupported_card_reason() -> str:
    """What to do about a card that torch sees but has no code for; "" if there is none. Asks where torch sees cards."""
    import torch

    built = torch.cuda.get_arch_list()
    for number in range(torch.cuda.device_count()) if built else ():
        name = torch.cuda.get_device_name(number)
        if torch.version.hip:
            kind = torch.cuda.get_device_properties(number).gcnArchName.partition(":")[0]
            supported, build, variable = kind in built, "install a build for it", "HIP_VISIBLE_DEVICES"
        else:
            major, minor = torch.cuda.get_device_capability(number)
            kind, variable = f"compute capability {major}.{minor}", "CUDA_VISIBLE_DEVICES"
            supported = has_code(10 * major + minor, built)
            build = "" if supported else _suitable_build(installed.NvidiaGpus([name], [], "", [10 * major + minor], ""))
        if not supported:
            return (
                f"torch {torch.__version__} has no code for the GPU {name} ({kind}), only for {', '.join(built)}: "
                f"{build}, hide the card with {variable}"
            )
    return ""


def has_code(capability: int, built: list[str]) -> bool:
    """Whether a build with code for sm_XY (cards of that kind) and compute_XY (any newer card) runs on a card."""
    found = re.findall(r"\b(sm|compute)_(\d+)", " ".join(built))
    native = {int(number) for kind, number in found if kind == "sm"}
    return torch_builds.runs_on(capability, native) or any(
        int(number) <= capability for kind, number in found if kind == "compute"
    )


def _amd_reason() -> str:
    import torch

    here = f"this machine has a GPU of AMD that torch {torch.__version__} (ROCm {torch.version.hip}) cannot use: "
    if hidden := _hidden(VISIBLE_TO_AMD, None):
        return here + hidden
    if refused := installed.refused_file([installed.ROOT / "dev/kfd", *_render_files()]):
        return f"{here}{_user()} may not open {refused}; add the user to the groups render and video"
    return f"{here}torch says {_words_of_torch()!r}; correct that, or restart the machine"


def _suitable_build(gpus: installed.NvidiaGpus) -> str:
    """Where to get a build of torch that runs on these cards, with a newer driver if it takes one."""
    if cuda := torch_builds.suitable_cuda(gpus.driver_major, gpus.capabilities):
        return f"install one for it, {torch_builds.install_command(cuda)}"
    if cuda := torch_builds.suitable_cuda(0, gpus.capabilities):
        driver = f"driver {torch_builds.least_driver(cuda)} or newer ({DRIVERS})"
        return f"install {driver}, and torch for it, {torch_builds.install_command(cuda)}"
    return "no published build runs on it (https://pytorch.org/get-started/locally/); use another card"


def _device_file_reason() -> str:
    """What is wrong with the files through which a program reaches a GPU of NVIDIA; "" if nothing is."""
    numbered, memory = installed.device_files(), installed.ROOT / "dev/nvidia-uvm"
    if refused := installed.refused_file([*numbered, installed.ROOT / "dev/nvidiactl", memory]):
        return f"{_user()} may not open {refused}; ask for access, on a cluster for a GPU with the job (--gres=gpu:1)"
    if not numbered and any(installed.ROOT.glob("proc/driver/nvidia/gpus/*")):
        missing = installed.ROOT / "dev/nvidia0"
        return f"{missing} is missing; give the container its GPU (docker --gpus all, apptainer --nv)"
    if numbered and not memory.exists():
        return f"{memory} is missing; load it with `sudo modprobe nvidia_uvm`"
    return ""


def _hidden(variables: tuple[str, ...], gpus: installed.NvidiaGpus | None) -> str:
    """How a variable of the environment hides every GPU, or names one that is not here; "" if it does not."""
    for name in variables:
        value = os.environ.get(name)
        first = (value or "").split(",")[0].strip()
        if value is None:
            continue
        if not first or first.startswith("-") or first == "NoDevFiles":
            return f"{name}={value!r} hides it; unset {name}, or let it name a GPU"
        if gpus and gpus.names and first.isdigit() and int(first) >= len(gpus.names):
            return f"{name}={value!r} names none of its GPUs, which count from 0 to {len(gpus.names) - 1}; correct it"
        if gpus and gpus.uuids and first.startswith("GPU-") and not any(each.startswith(first) for each in gpus.uuids):
            return f"{name}={value!r} names none of its GPUs ({', '.join(gpus.uuids)}); correct it"
    return ""


def _render_files() -> list:
    return sorted((installed.ROOT / "dev/dri").glob("renderD*"))


def _words_of_torch() -> str:
    """The error with which torch refuses to start CUDA, its first 200 characters."""
    import torch

    try:
        torch.cuda.init()
    except Exception as error:  # noqa: BLE001 - whatever it says is repeated
        return " ".join(str(error).split())[:200]
    return "no GPU is available"


def _user() -> str:
    try:
        return f"the user {getpass.getuser()}"
    except (OSError, KeyError):
        return "this user"
