"""Shared compile cache: the folder's name, the user's choice, and a second process that compiles nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from detailscribe.engines.machine import compile_cache
from tests.paths import REPOSITORY

NO_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
DRAW = """
import hashlib, json, sys, time
from detailscribe.engines.load import load_engine
from torch._dynamo.utils import counters
from tests.small_sd3 import GENERATION, P0, P1, entry

engine = load_engine(entry(sys.argv[1], compile="regions", batch="image"), GENERATION)
started = time.monotonic()
images = engine.refine(P0, P1, 7, [1])
seconds = time.monotonic() - started
pixels = hashlib.sha256(b"".join(image.tobytes() for image in images.values())).hexdigest()
inductor = counters["inductor"]
found = {"hits": inductor["fxgraph_cache_hit"], "misses": inductor["fxgraph_cache_miss"]}
print(json.dumps({**found, "pixels": pixels, "seconds": seconds}))
"""


@pytest.fixture
def environment(monkeypatch):
    """Variables that a call sets are restored, and the user has set none."""
    for name in (compile_cache.VARIABLE, compile_cache.TRITON_VARIABLE):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(compile_cache, "_USERS_CHOICE", dict.fromkeys(compile_cache._USERS_CHOICE))


def test_the_folder_is_the_studys_and_triton_s_is_the_machine_s(tmp_path, environment):
    folder = compile_cache.share_compile_cache(tmp_path)
    assert folder.parent == tmp_path and f"torch-{torch.__version__}-" in folder.name
    assert os.environ[compile_cache.VARIABLE] == str(folder)
    assert not Path(os.environ[compile_cache.TRITON_VARIABLE]).is_relative_to(tmp_path)
    assert compile_cache.share_compile_cache(tmp_path) == folder, "the second model of a process has the same folder"


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(torch, "__version__", "2.99.0+cu130"),
        lambda patch: patch.setattr(torch.version, "cuda", "13.9"),
        lambda patch: patch.setattr(compile_cache, "processor_name", lambda: "Model 7, 1 thread"),
        lambda patch: patch.setattr(compile_cache, "_cpu_flags", lambda: "flags: fpu"),
        lambda patch: patch.setattr(compile_cache.sys, "version_info", (3, 99)),
    ],
)
def test_other_versions_and_processors_have_folders_of_their_own(tmp_path, environment, monkeypatch, change):
    before = compile_cache.share_compile_cache(tmp_path)
    change(monkeypatch)
    assert compile_cache.share_compile_cache(tmp_path) != before


def test_the_number_of_threads_needs_no_other_folder(tmp_path, environment, monkeypatch):
    monkeypatch.setattr(compile_cache, "processor_name", lambda: "Model 7, 1 thread")
    before = compile_cache.share_compile_cache(tmp_path)
    monkeypatch.setattr(compile_cache, "processor_name", lambda: "Model 7, 8 threads")
    assert compile_cache.share_compile_cache(tmp_path) == before


def test_the_users_folders_count(tmp_path, environment, monkeypatch):
    monkeypatch.setitem(compile_cache._USERS_CHOICE, compile_cache.TRITON_VARIABLE, "mine")
    assert compile_cache.share_compile_cache(tmp_path)
    assert compile_cache.TRITON_VARIABLE not in os.environ
    monkeypatch.setitem(compile_cache._USERS_CHOICE, compile_cache.VARIABLE, "mine")
    assert compile_cache.share_compile_cache(tmp_path) is None


def test_a_disk_without_locks_and_one_that_cannot_be_written_are_not_used(tmp_path, environment, monkeypatch):
    (tmp_path / "file").write_text("")
    assert compile_cache.share_compile_cache(tmp_path / "file") is None

    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(compile_cache.fcntl, "flock", refuse)
    assert compile_cache.share_compile_cache(tmp_path) is None
    assert compile_cache.VARIABLE not in os.environ


def start(folder, model) -> subprocess.Popen:
    """A process that draws with compiled blocks in the working directory `folder`."""
    own = {name: value for name, value in os.environ.items() if name not in compile_cache._USERS_CHOICE}
    own |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", DRAW, str(model)]
    return subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen) -> dict:
    output, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    return json.loads(output.splitlines()[-1])


@NO_COMPILER
@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_draws_the_same_bytes(tmp_path, miniature):
    both = [start(tmp_path, miniature / "sd3") for _ in range(2)]
    first, beside = map(result, both)
    assert first["misses"] > 0 and first["pixels"] == beside["pixels"], "two jobs may fill the folder together"
    [folder] = (tmp_path / "resources" / "compile-cache").iterdir()
    second = result(start(tmp_path, miniature / "sd3"))
    assert (second["misses"], second["hits"]) == (0, first["misses"] + first["hits"])
    assert second["pixels"] == first["pixels"] and second["seconds"] < first["seconds"] / 2
    # Files that a full disk or a crash cut off cost another compilation and nothing else.
    for file in (path for path in folder.rglob("*") if path.is_file() and "fxgraph" in str(path)):
        file.write_bytes(file.read_bytes()[:100])
    again = result(start(tmp_path, miniature / "sd3"))
    assert again["misses"] > 0 and again["pixels"] == first["pixels"]
