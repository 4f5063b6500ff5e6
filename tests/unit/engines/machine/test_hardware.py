"""Versions and machine in the rows of new images, with a real CPU and with a pretended GPU."""

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from detailscribe.engines import torch_setup, versions
from detailscribe.engines.gpu.installed import NvidiaGpus
from detailscribe.engines.machine import compile_cache, hardware
from detailscribe.errors import SetupError
from tests.paths import REPOSITORY

H100 = SimpleNamespace(name="NVIDIA H100 80GB HBM3", major=9, minor=0, multi_processor_count=132)


@pytest.fixture
def card(monkeypatch):
    """A GPU that torch seems to see."""
    monkeypatch.setattr(torch_setup, "default_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: H100)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: H100.name)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(hardware, "nvidia_gpus", lambda: NvidiaGpus([H100.name], ["GPU-1"], "580.95.05", [90], ""))
    hardware._driver.cache_clear()
    yield
    hardware._driver.cache_clear()


@pytest.fixture
def processor(monkeypatch):
    monkeypatch.setattr(torch_setup, "default_device", lambda: torch.device("cpu"))


@pytest.fixture
def environment(monkeypatch):
    """Variables that a call sets are restored, and the user has set none."""
    for name in (compile_cache.VARIABLE, compile_cache.TRITON_VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(compile_cache, "_USERS_CHOICE", dict.fromkeys(compile_cache._USERS_CHOICE))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages, of which triton is forgotten: other tests would find it loaded."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    yield tmp_path / "site"
    sys.modules.pop("triton", None)


def install_triton(site, distribution: str) -> None:
    """A package `triton` that a distribution of this name brought, or none."""
    (site / "triton").mkdir(parents=True)
    (site / "triton" / "__init__.py").write_text('__version__ = "3.9.1"\n')
    if distribution:
        info = site / f"{distribution}-3.9.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 3.9.1\n")
        (info / "RECORD").write_text("triton/__init__.py,,\n")


def test_a_row_names_the_gpu_its_driver_and_libraries(card):
    software = hardware.image_software({"precision": "bf16", "compile": "none"})
    named = {name: software[name] for name in ("gpu", "compute_capability", "multiprocessors", "driver", "cuda")}
    assert named == {
        "gpu": "NVIDIA H100 80GB HBM3",
        "compute_capability": "9.0",
        "multiprocessors": "132",
        "driver": "580.95.05",
        "cuda": "13.0",
    }
    assert software["cudnn"] == "9.10.2"
    assert software["torch"] == torch.__version__
    # Noise is sampled on the CPU, whose threads do not matter there.
    assert software["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert not {"cpu", "cpu_threads", "rocm", "bitsandbytes", "torchao"} & software.keys()
    assert all(isinstance(value, str) for value in software.values())
    assert hardware.machine_description(software).startswith("NVIDIA H100 80GB HBM3, CPU instructions ")
    assert hardware.processor_name() == "NVIDIA H100 80GB HBM3"


def test_a_row_names_the_cpu_and_its_threads(processor):
    software = hardware.image_software({"precision": "fp32"})
    assert software["cpu_threads"] == str(torch.get_num_threads())
    assert software["cpu"] and hardware.processor_name().startswith(software["cpu"])
    assert not {"gpu", "driver", "cuda", "cudnn"} & software.keys()


@pytest.mark.parametrize(("precision", "package"), [("nf4", "bitsandbytes"), ("fp8", "torchao")])
def test_the_quantizer_is_named_where_it_is_used(processor, monkeypatch, precision, package):
    monkeypatch.setattr(hardware, "library_versions", lambda names: dict.fromkeys(names, "1.0"))
    assert hardware.image_software({"precision": precision})[package] == "1.0"
    assert package not in hardware.image_software({"precision": "bf16"})


def test_the_attention_kernels_in_use_are_named(card, monkeypatch):
    assert hardware.image_software({"precision": "fp32"})["attention"] == "cudnn, flash, memory-efficient, math"
    monkeypatch.setattr(torch_setup, "default_device", lambda: torch.device("cpu"))
    assert hardware.image_software({"precision": "fp32"})["attention"] == "flash, math"
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        assert hardware.image_software({"precision": "fp32"})["attention"] == "math"
    finally:
        torch.backends.cuda.enable_flash_sdp(True)


@pytest.mark.parametrize("distribution", ["pytorch_triton_rocm", ""], ids=["another name", "no distribution"])
def test_triton_of_another_distribution_is_named_and_has_a_cache_of_its_own(
    card, monkeypatch, tmp_path, environment, site, distribution
):
    hardware.image_software({"precision": "fp32"})  # loads what would look for triton by itself
    monkeypatch.setattr(compile_cache, "default_device", lambda: torch.device("cpu"))
    before = compile_cache.share_compile_cache(tmp_path)
    install_triton(site, distribution)
    importlib.invalidate_caches()
    assert compile_cache.share_compile_cache(tmp_path) != before
    compiled = {"precision": "bf16", "compile": "regions"}
    assert hardware.image_software(compiled)["triton"] == "3.9.1"
    assert "triton" not in hardware.image_software({"precision": "bf16", "compile": "none"})


def test_a_triton_without_a_version_is_left_out(card, site):
    (site / "triton").mkdir(parents=True)
    importlib.invalidate_caches()
    assert "triton" not in hardware.image_software({"precision": "bf16", "compile": "regions"})


@pytest.mark.parametrize("name", ["no-such-package", "no.such.package", "no_such_package"])
def test_a_package_that_is_not_installed_is_named(name):
    assert versions.installed_version(name) is None
    with pytest.raises(SetupError, match=f"the package {name} is not installed"):
        versions.library_versions(["torch", name])


def test_a_row_of_an_earlier_version_names_no_machine():
    assert hardware.machine_description({"torch": "2.13.0"}) == hardware.UNKNOWN


def test_a_job_asks_for_the_same_kernels_in_every_process():
    code = (
        "import os, torch; from detailscribe.engines import torch_setup; "
        "print(torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, os.environ[{!r}])"
    ).format(variable := "CUBLAS_WORKSPACE_CONFIG")
    unset = {name: value for name, value in os.environ.items() if name != variable}
    for environment, workspaces in ((unset, ":4096:8"), (unset | {variable: ":16:8"}, ":16:8")):
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=REPOSITORY, capture_output=True, text=True
        )
        assert run.stdout.split() == ["False", "True", workspaces], run.stderr


def test_what_computes_without_torch_is_the_cpu(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    assert "thread" not in hardware.processor_name() and hardware.processor_name()
