"""A machine that pretends to have GPUs: nvidia-smi on the path, device files, and what torch says of them."""

import os
from pathlib import Path

import torch

from detailscribe.engines.gpu import installed, usable

H100 = ("NVIDIA H100 80GB HBM3", "9.0")
RTX_4090 = ("NVIDIA GeForce RTX 4090", "8.9")
V100 = ("Tesla V100-SXM2-16GB", "7.0")
BLACKWELL = ("NVIDIA B200", "10.0")


def nvidia_smi(
    folder: Path, *cards: tuple[str, str], driver: str = "580.82.07", says: str = "", lists: bool = True
) -> None:
    """Write an nvidia-smi into a folder.

    Args:
        folder: A folder of the path.
        cards: Name and compute capability of each card.
        driver: Version of the driver.
        says: What it says instead, with an error.
        lists: Whether it knows the query for details, which old ones do not.
    """
    listed = "\n".join(f"GPU {n}: {name} (UUID: GPU-{n}{n}aa-bb)" for n, (name, _) in enumerate(cards))
    details = "\n".join(f"{driver}, {capability}" for _, capability in cards)
    unknown = 'Field "compute_cap" is not a valid field to query.'
    detailed = f"echo '{details}'" if lists else f"echo '{unknown}'; exit 2"
    answers = f"echo '{says}'; exit 9" if says else f"case \"$1\" in -L) echo '{listed}' ;; *) {detailed} ;; esac"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{answers}\n")
    (folder / "nvidia-smi").chmod(0o755)


class Machine:
    """A machine without any GPU, to which a test adds what it needs.

    Args:
        root: Folder that stands for the root of its file system.
        monkeypatch: Of pytest.
    """

    def __init__(self, root: Path, monkeypatch):
        self.root, self.monkeypatch = root, monkeypatch
        monkeypatch.setattr(installed, "ROOT", root)
        monkeypatch.setattr(usable._POLICY, "cpu_allowed", False)
        monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
        for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
            monkeypatch.delenv(name, raising=False)

    def nvidia(self, *cards: tuple[str, str], **more) -> "Machine":
        """Cards of NVIDIA with their driver, whose nvidia-smi works unless `more` says otherwise."""
        nvidia_smi(self.root / "bin", *cards, **more)
        version = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {more.get('driver', '580.82.07')}  Sat Oct  7"
        self.files("dev/nvidiactl", "dev/nvidia-uvm", *(f"dev/nvidia{number}" for number in range(len(cards))))
        self.file("proc/driver/nvidia/version", version + "\nGCC version:  gcc version 12.2.0\n")
        for number in range(len(cards)):
            self.file(f"proc/driver/nvidia/gpus/0000:0{number}:00.0/information", "Model: x\n")
        return self

    def files(self, *names: str) -> "Machine":
        """Empty files of its file system."""
        for name in names:
            self.file(name, "")
        return self

    def file(self, name: str, text: str) -> None:
        """A file of its file system."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def torch(
        self, version: str = "2.13.0", cuda: str | None = "13.0", hip: str | None = None, says: str = ""
    ) -> "Machine":
        """A build of torch that sees no GPU, and says this when it is started."""

        def init():
            raise RuntimeError(says or "No CUDA GPUs are available")

        for target, name, value in (
            (torch, "__version__", version),
            (torch.version, "cuda", cuda),
            (torch.version, "hip", hip),
            (torch.cuda, "is_available", lambda: False),
            (torch.cuda, "init", init),
        ):
            self.monkeypatch.setattr(target, name, value)
        return self

    def torch_sees(self, *cards: tuple[str, str], built: list[str]) -> "Machine":
        """A build of torch that sees these cards and has code for some kinds; a capability may be AMD's name."""
        if torch.version.cuda is None and torch.version.hip is None:
            self.monkeypatch.setattr(torch.version, "cuda", "13.0")
        properties = [type("Properties", (), {"gcnArchName": f"{kind}:sramecc+:xnack-"}) for _, kind in cards]
        for name, value in (
            ("is_available", lambda: True),
            ("get_arch_list", lambda: built),
            ("device_count", lambda: len(cards)),
            ("get_device_name", lambda number=0: cards[number][0]),
            ("get_device_capability", lambda number=0: tuple(map(int, cards[number][1].split(".")))),
            ("get_device_properties", lambda number=0: properties[number]),
        ):
            self.monkeypatch.setattr(torch.cuda, name, value)
        return self
