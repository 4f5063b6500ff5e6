"""Published builds of torch for CUDA: the driver and the cards that each needs, and the command that installs one."""

import importlib.metadata
import platform
import sys

# Least driver by CUDA's major version. Source:
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
LEAST_DRIVER = {11: 450, 12: 525, 13: 580}
INDEX = "https://download.pytorch.org/whl"
PYPI_CUDA = "13.0"  # of the build on PyPI
# Compute capabilities with code of their own, by CUDA version, of torch 2.13; used where torch does not list them.
CODES = {
    "12.6": {50, 60, 70, 75, 80, 86, 90},
    "12.9": {75, 80, 86, 90, 100, 120},
    "13.0": {75, 80, 86, 90, 100, 120},
    "13.2": {75, 80, 86, 90, 100, 120},
}


def least_driver(cuda: str) -> int:
    """Least major version of the driver for a CUDA version, as "13.0"; 0 if it is unknown."""
    return LEAST_DRIVER.get(int(cuda.partition(".")[0]), 0)


def runs_on(capability: int, codes: set[int]) -> bool:
    """Whether code for some compute capabilities runs on a card: same major version, minor version not above its."""
    return any(code // 10 == capability // 10 and code % 10 <= capability % 10 for code in codes)


def suitable_cuda(driver_major: int, capabilities: list[int]) -> str:
    """CUDA version of a published build for a driver (0: unknown) and all these cards; "" if there is none."""
    suitable = [
        cuda
        for cuda, codes in published_codes().items()
        if (not driver_major or driver_major >= least_driver(cuda)) and all(runs_on(c, codes) for c in capabilities)
    ]
    return PYPI_CUDA if PYPI_CUDA in suitable else next(iter(suitable), "")


def published_codes() -> dict[str, set[int]]:
    """Compute capabilities of the published builds of the installed torch, by CUDA version, oldest first."""
    import torch

    listed = getattr(torch.cuda, "PYTORCH_RELEASES_CODE_CC", {})
    machine = "aarch64" if platform.machine().lower() == "aarch64" else "x86_64"
    codes = {cuda: set(by_machine[machine]) for cuda, by_machine in listed.items() if machine in by_machine} or CODES
    return dict(sorted(codes.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def install_command(cuda: str) -> str:
    """Command that installs the present versions of torch and torchvision for a CUDA version, into this environment."""
    tag = "cu" + cuda.replace(".", "")
    packages = []
    for name in ("torch", "torchvision"):
        try:
            version = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
        packages.append(f"{name}=={version}+{tag}")  # with its local part, or pip keeps what is there
    return f"`{sys.executable} -m pip install {' '.join(packages)} --index-url {INDEX}/{tag}`"
