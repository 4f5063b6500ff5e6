"""Cached miniature models: built once for a state of their sources and libraries, and shared by all test runs.

The folder is ~/.cache/detailscribe-tests, or in $XDG_CACHE_HOME.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from detailscribe.files.digests import digest, file_sha256
from tests.paths import REPOSITORY

LIBRARIES = ("torch", "transformers", "diffusers", "safetensors", "tokenizers", "open_clip_torch", "numpy")
UNUSED_DAYS = 14  # after which a cached build is removed
CODE = """
import pathlib, sys
from detailscribe.miniature.assembly import build_miniature
build_miniature(pathlib.Path(sys.argv[1]))
"""


def cached_miniature() -> Path:
    """A folder with the miniature's `sd3`, `clip`, `image_reward`, `blip_vqa` and `vlm`; do not write into it.

    Safe with several processes at once. A cached build with a changed, missing or additional file is built again.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "detailscribe-tests"
    cache.mkdir(parents=True, exist_ok=True)
    entry = cache / _build_digest()
    with FileLock(f"{entry}.lock"):
        if not _is_intact(entry):
            _remove_unused(cache)
            shutil.rmtree(entry, ignore_errors=True)
            unfinished = Path(tempfile.mkdtemp(dir=cache, prefix=f".{entry.name[:12]}."))
            try:
                build_in_new_process(unfinished / "miniature")
                (unfinished / "files.json").write_text(json.dumps(file_digests(unfinished / "miniature")))
                unfinished.rename(entry)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        os.utime(entry)
    return entry / "miniature"


def build_in_new_process(folder: Path, **environment: str) -> None:
    """Build the miniature without what other tests did to this process's libraries.

    Args:
        environment: Variables that differ from this process's; one thread by default.
    """
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    subprocess.run([sys.executable, "-c", CODE, str(folder)], check=True, cwd=REPOSITORY, env=variables)


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file in a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _build_digest() -> str:
    """Digest of everything that the built files depend on: sources, shipped weights, library versions."""
    package = REPOSITORY / "detailscribe"
    files = [path for path in (package / "miniature").rglob("*") if path.suffix != ".pyc" and path.is_file()]
    files += [package / "engines" / "torch_setup.py", package / "scores" / "preparation.py"]
    sources = {path.relative_to(package).as_posix(): file_sha256(path) for path in sorted(files)}
    return digest({"sources": sources, "libraries": {name: version(name) for name in LIBRARIES}})


def _is_intact(entry: Path) -> bool:
    try:
        return json.loads((entry / "files.json").read_text()) == file_digests(entry / "miniature")
    except (OSError, ValueError):
        return False


def _remove_unused(cache: Path) -> None:
    """Remove builds, and what interrupted builds left behind, that were not used for UNUSED_DAYS."""
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for path in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            if path.is_dir() and path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
