"""GPUs of this machine as the operating system and nvidia-smi show them, without torch."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from detailscribe.files.kept_process import printed

ROOT = Path("/")
TIMEOUT_S = 60  # nvidia-smi wakes sleeping GPUs
NVIDIA_VENDOR, DISPLAY_CLASS = "0x10de", "0x03"  # of a PCI device


@dataclass(frozen=True)
class NvidiaGpus:
    """What is seen of NVIDIA GPUs.

    names, uuids: as `nvidia-smi -L` lists them, MIG parts left out. driver: its version, as "580.82.07", or "".
    capabilities: tens and units, as 89 for 8.9; empty where unknown. words: what nvidia-smi says instead, or "".
    """

    names: list[str]
    uuids: list[str]
    driver: str
    capabilities: list[int]
    words: str

    @property
    def driver_major(self) -> int:
        """Major version of the driver, 0 if it is unknown."""
        return int(self.driver.partition(".")[0] or 0)

    def __str__(self) -> str:
        kinds = list(dict.fromkeys(self.names)) or ["NVIDIA"]
        count = f"{len(self.names)} GPUs" if len(self.names) > 1 else "a GPU"
        return f"{count} ({', '.join(kinds)}{f', driver {self.driver}' if self.driver else ''})"


def nvidia_gpus_seen() -> bool:
    """Whether a driver of NVIDIA shows a GPU here, usable or not."""
    loaded = any(ROOT.glob("proc/driver/nvidia/gpus/*")) or bool(device_files())
    return loaded or bool(_listed())


def nvidia_gpus() -> NvidiaGpus:
    """The NVIDIA GPUs of this machine; nothing is empty about a machine whose driver does not answer but `names`."""
    listed, said = _listed(), nvidia_smi("-L")
    asked = nvidia_smi("--query-gpu=driver_version,compute_cap", "--format=csv,noheader")
    answers = re.findall(r"^\s*([\d.]+),\s*(\d+)\.(\d+)\s*$", asked or "", re.M)
    version = ROOT / "proc/driver/nvidia/version"
    loaded = re.search(r"Module\D*?\s(\d+\.[\d.]+)", version.read_text()) if version.is_file() else None
    driver = answers[0][0] if answers else loaded[1] if loaded else ""
    words = "" if listed or said is None else " ".join(said.split())
    capabilities = [10 * int(major) + int(minor) for _, major, minor in answers]
    return NvidiaGpus([name for name, _ in listed], [uuid for _, uuid in listed], driver, capabilities, words)


def nvidia_smi(*arguments: str) -> str | None:
    """What nvidia-smi prints, errors included; None where there is none, or where it hangs."""
    found = printed(["nvidia-smi", *arguments], TIMEOUT_S, errors=True)
    return None if found is None else found[1]


def device_files() -> list[Path]:
    """Files through which programs reach NVIDIA GPUs, by number."""
    found = [path for path in (ROOT / "dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def amd_gpu_seen() -> bool:
    """Whether AMD's compute driver is here; a processor's own graphics may have it, too."""
    return (ROOT / "dev/kfd").exists()


def nvidia_card_without_driver() -> bool:
    """Whether a card of NVIDIA is on the PCI bus."""
    for device in (ROOT / "sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == NVIDIA_VENDOR and kind.startswith(DISPLAY_CLASS):
            return True
    return False


def refused_file(paths: list[Path]) -> Path | None:
    """The first of some device files that this user, or the limits of its job, may not open."""
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDWR))
        except PermissionError:
            return path
        except OSError:
            continue
    return None


def _listed() -> list[tuple[str, str]]:
    """(name, UUID) of each line of `nvidia-smi -L`."""
    return re.findall(r"^GPU \d+: (.+?) \(UUID: (GPU-[\w/-]+)\)", nvidia_smi("-L") or "", re.M)
