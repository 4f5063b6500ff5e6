"""A GPU that torch cannot use is an error with its reason and its remedy; the CPU is used where that is right."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from detailscribe.engines import torch_setup
from detailscribe.engines.gpu import installed, torch_builds, unusable, usable
from detailscribe.engines.load import load_engine
from detailscribe.errors import SetupError
from detailscribe.files import kept_process
from tests.paths import REPOSITORY
from tests.pretended_gpu import BLACKWELL, H100, RTX_4090, V100, Machine, nvidia_smi
from tests.small_sd3 import GENERATION, entry

BUILT = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]  # torch 2.13 from PyPI
CU126 = r"pip install torch==2\.13\.0\+cu126 .*--index-url https://download\.pytorch\.org/whl/cu126`"
CU130 = r"pip install torch==2\.13\.0\+cu130 .*--index-url https://download\.pytorch\.org/whl/cu130`"
CU129 = r"pip install torch==2\.13\.0\+cu129 "


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    return Machine(tmp_path / "root", monkeypatch)


def refusal() -> str:
    with pytest.raises(SetupError) as caught:
        torch_setup.default_device()
    message = str(caught.value)
    assert "\n" not in message and message.endswith(", or allow the CPU with `preflight: {allow_cpu: true}`")
    return message


def test_a_machine_without_a_gpu_uses_its_cpu_and_asks_no_program(machine, monkeypatch):
    monkeypatch.setattr(kept_process, "KeptProcess", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setenv("PATH", str(machine.root))
    assert torch_setup.default_device() == torch.device("cpu")
    machine.torch()
    assert torch_setup.default_device() == torch.device("cpu"), "a CUDA build without a card"


@pytest.mark.parametrize(
    ("cards", "driver", "build", "said"),
    [
        (
            [H100],
            "580.82.07",
            {"version": "2.13.0+cpu", "cuda": None},
            rf"torch 2\.13\.0\+cpu is a build for the CPU only: .*{CU130}",
        ),
        ([RTX_4090], "550.54.14", {"version": "2.13.0+cpu", "cuda": None}, f"for the CPU only: .*{CU126}"),
        ([V100], "580.82.07", {"version": "2.13.0+cpu", "cuda": None}, f"for the CPU only: .*{CU126}"),
        ([H100], "470.82.01", {"version": "2.13.0+cpu", "cuda": None}, f"install driver 580 or newer .*{CU130}"),
        ([H100], "580.82.07", {"cuda": None, "hip": "7.2"}, "a build for GPUs of AMD"),
        ([RTX_4090], "535.183.01", {}, rf"\(CUDA 13\.0\) cannot use: CUDA 13\.0 needs driver 580 or newer; .*{CU126}"),
        ([H100, H100], "570.10", {}, f"has 2 GPUs .NVIDIA H100 80GB HBM3, driver 570.10. that .*{CU126}"),
        ([BLACKWELL], "570.10", {}, f"needs driver 580 or newer; .*{CU129}"),
        ([H100], "470.82.01", {}, "needs driver 580 or newer; install one .https://www.nvidia.com/drivers., or allow"),
        (
            [H100],
            "580.82.07",
            {"says": "The NVIDIA driver on your system is too old (found version 12080)."},
            "needs driver 580",
        ),
        (
            [H100],
            "580.82.07",
            {"says": "CUDA unknown error"},
            "torch says 'CUDA unknown error'; correct that, or restart",
        ),
    ],
)
def test_a_gpu_that_a_build_of_torch_cannot_use_is_named_with_the_build_that_can(machine, cards, driver, build, said):
    message = refusal() if machine.nvidia(*cards, driver=driver).torch(**build) else ""
    assert re.search(said, message), message
    assert cards[0][0] in message and driver in message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "CUDA_VISIBLE_DEVICES='' hides it; unset CUDA_VISIBLE_DEVICES"),
        ("-1", "CUDA_VISIBLE_DEVICES='-1' hides it"),
        ("NoDevFiles", "CUDA_VISIBLE_DEVICES='NoDevFiles' hides it"),
        ("2,3", "names none of its GPUs, which count from 0 to 1"),
        ("GPU-99", "names none of its GPUs (GPU-00aa-bb, GPU-11aa-bb)"),
        ("GPU-11", "torch says 'No CUDA GPUs are available'"),
        ("1", "torch says 'No CUDA GPUs are available'"),
    ],
)
def test_a_variable_that_hides_the_gpus_is_named(machine, monkeypatch, value, said):
    machine.nvidia(H100, H100).torch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert said in refusal()


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", "restart the machine"),
        ("NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.", "install its driver again"),
    ],
)
def test_a_driver_that_does_not_answer_is_repeated(machine, says, said):
    machine.nvidia(H100, says=says).torch()
    message = refusal()
    assert f"nvidia-smi says {says!r}; " in message and said in message and "driver 580.82.07" in message


def test_files_of_the_device_that_are_closed_or_missing_are_named(machine, monkeypatch):
    machine.nvidia(H100).torch()
    (machine.root / "dev/nvidia-uvm").unlink()
    assert "nvidia-uvm is missing; load it with `sudo modprobe nvidia_uvm`" in refusal()
    machine.files("dev/nvidia-uvm")
    real, closed = os.open, machine.root / "dev/nvidia0"

    def refuse(path, *arguments, **options):
        if path == closed:
            raise PermissionError(1, "Operation not permitted")  # as the limits of a job's devices do
        return real(path, *arguments, **options)

    monkeypatch.setattr(installed.os, "open", refuse)
    assert re.search(rf"may not open {closed}; ask for access, .*--gres=gpu:1", refusal())
    closed.unlink()
    assert "nvidia0 is missing; give the container its GPU (docker --gpus all, apptainer --nv)" in refusal()


def test_files_without_a_working_nvidia_smi_are_enough(machine):
    machine.nvidia(H100).torch("2.13.0+cpu", None)
    (machine.root / "bin/nvidia-smi").unlink()
    message = refusal()
    assert (
        "this machine has a GPU (NVIDIA, driver 580.82.07), but" in message and "is a build for the CPU only" in message
    )
    nvidia_smi(machine.root / "bin", V100, driver="580.82.07", lists=False)
    assert re.search(CU130, refusal()), "an nvidia-smi that does not know compute capabilities"


def test_a_card_that_torch_has_no_code_for_is_named(machine):
    machine.nvidia(V100).torch_sees(V100, built=BUILT)
    message = refusal()
    assert "has no code for the GPU Tesla V100-SXM2-16GB (compute capability 7.0), only for sm_75" in message
    assert re.search(CU126, message) and "hide the card with CUDA_VISIBLE_DEVICES" in message
    usable.allow_cpu(True)
    assert torch_setup.default_device() == torch.device("cpu")
    usable.allow_cpu(False)
    machine.torch_sees(H100, built=BUILT)
    assert torch_setup.default_device() == torch.device("cuda")
    machine.torch_sees(H100, ("NVIDIA GeForce GT 710", "3.5"), built=BUILT)
    assert "GT 710" in refusal(), "a job may get this one"
    assert "no published build runs on it" in refusal()


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        (89, BUILT, True),
        (80, ["sm_86"], False),
        (70, BUILT, False),
        (121, ["sm_90", "compute_90"], True),  # compiled at its first use
        (75, ["compute_90"], False),
        (90, ["sm_90a"], True),
        (103, ["sm_100f"], True),
    ],
)
def test_code_runs_on_cards_of_its_major_version(capability, built, runs):
    assert unusable.has_code(capability, built) is runs


def test_the_builds_are_those_that_torch_names():
    codes = torch_builds.published_codes()
    assert codes == torch_builds.CODES, "another torch: correct the table, which older ones use"
    assert list(codes) == sorted(codes) and torch_builds.PYPI_CUDA in codes
    assert all(torch_builds.least_driver(cuda) for cuda in codes)
    assert (torch_builds.suitable_cuda(580, [90]), torch_builds.suitable_cuda(525, [90])) == ("13.0", "12.6")
    assert (torch_builds.suitable_cuda(0, []), torch_builds.suitable_cuda(450, [])) == ("13.0", "")


def test_amds_cards(machine, monkeypatch):
    machine.files("dev/kfd", "dev/dri/renderD128")
    assert torch_setup.default_device() == torch.device("cpu"), "a processor's graphics need no ROCm"
    machine.torch("2.13.0+rocm7.2", None, "7.2", says="No HIP GPUs are available")
    assert "a GPU of AMD that torch 2.13.0+rocm7.2 (ROCm 7.2) cannot use: torch says 'No HIP GPUs" in refusal()
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "-1")
    assert "HIP_VISIBLE_DEVICES='-1' hides it" in refusal()
    monkeypatch.delenv("HIP_VISIBLE_DEVICES")
    real = os.open
    monkeypatch.setattr(
        installed.os,
        "open",
        lambda path, *rest: (_ for _ in ()).throw(PermissionError()) if "renderD" in str(path) else real(path, *rest),
    )
    assert re.search("may not open .*renderD128; add the user to the groups render and video", refusal())
    machine.torch_sees(("Radeon VII", "gfx906"), built=["gfx90a", "gfx942"])
    assert "no code for the GPU Radeon VII (gfx906), only for gfx90a, gfx942: " in refusal()
    machine.torch_sees(("MI300X", "gfx942"), built=["gfx90a", "gfx942"])
    assert torch_setup.default_device() == torch.device("cuda")


def test_the_cpu_can_be_allowed(machine):
    machine.nvidia(H100, driver="535.183.01").torch()
    usable.allow_cpu(True)
    assert torch_setup.default_device() == torch.device("cpu")
    usable.allow_cpu(False)
    assert "needs driver 580" in refusal()


def test_an_engine_does_not_load_beside_an_unusable_gpu(machine, miniature):
    machine.nvidia(H100).torch("2.13.0+cpu", None)
    with pytest.raises(SetupError, match="a build for the CPU only"):
        load_engine(entry(miniature / "sd3"), GENERATION)


def full_size_model(folder, weights=8_100_000_000):
    """A model's folder whose files hold headers alone."""
    header = json.dumps(
        {"__metadata__": {"a": "b"}, "w": {"dtype": "BF16", "shape": [weights // 1000, 1000], "data_offsets": [0, 0]}}
    )
    (folder / "transformer").mkdir(parents=True)
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    return folder


@pytest.mark.parametrize("precision", ["bf16", "nf4"])
def test_a_full_size_model_does_not_draw_on_a_cpu(machine, tmp_path, precision):
    model = entry(full_size_model(tmp_path / "large"), precision=precision)
    with pytest.raises(SetupError) as caught:
        load_engine(model, GENERATION)
    message = str(caught.value)
    assert "(8.1 billion weights) would draw on the CPU, because torch finds no GPU here: run on a machine" in message
    assert message.endswith("or allow the CPU with `preflight: {allow_cpu: true}`")
    usable.allow_cpu(True)
    with pytest.raises(SetupError, match=r"has no file model_index\.json|needs a CUDA GPU"):
        load_engine(model, GENERATION)


def test_what_the_machine_has_instead_of_a_usable_gpu_is_named(machine):
    assert "finds no GPU here: run" in usable.full_size_sentence("lab/large", None)
    machine.files("dev/kfd")
    assert "needs a ROCm build of torch" in usable.full_size_sentence("lab/large", None)
    machine.file("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    machine.file("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")
    machine.files("sys/bus/pci/devices/0000:02:00.0/config")
    assert "a card of NVIDIA is here without its driver" in usable.full_size_sentence("lab/large", None)


def test_the_module_prints_its_findings_as_json(tmp_path):
    nvidia_smi(tmp_path, H100)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command, cpu = [sys.executable, "-m", "detailscribe.engines.gpu.usable"], {"CUDA_VISIBLE_DEVICES": ""}
    for env, problem in (
        (cpu, ""),
        ({"PATH": path, **cpu}, "this machine has a GPU (NVIDIA H100 80GB HBM3, driver 580.82.07)"),
    ):
        run = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **env}, capture_output=True, text=True)
        found = json.loads(run.stdout)
        assert (
            found["usable"] is False
            and found["problem"].startswith(problem)
            and bool(found["problem"]) is bool(problem)
        )
