"""Preflight of the machine: whether the jobs of a run can use its GPU, and whether they would draw on its CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from detailscribe.engines.gpu.installed import amd_gpu_seen, nvidia_gpus_seen
from detailscribe.engines.gpu.model_size import FULL_SIZE, model_weights
from detailscribe.engines.gpu.usable import full_size_sentence
from detailscribe.errors import SetupError

CHECK = "detailscribe.engines.gpu.usable"
TIMEOUT_S = 300  # of a process that imports torch, maybe from a slow disk


def gpu_problem(image_models: list[dict], folder: Path, draws: Callable[[], bool] = lambda: True) -> str:
    """Why jobs with a GPU must not start on this machine, with the remedy; "" if they may, or if only a job can tell.

    Args:
        image_models: Config entries of the models that images will be drawn with.
        folder: The workflow's own folder, which holds the package.
        draws: Whether an image is missing; asked only before a full-size model is refused.
    """
    sizes = [(model["path"], _weights(model)) for model in image_models]
    full_size = next(((path, count) for path, count in sizes if count is None or count > FULL_SIZE), None)
    if not (full_size or nvidia_gpus_seen() or amd_gpu_seen()):
        return ""
    found = _ask_torch(folder)
    if found is None or found["usable"]:
        return ""
    return found["problem"] or (full_size_sentence(*full_size) if full_size and draws() else "")


def _weights(model: dict) -> int | None:
    try:
        return model_weights(model["path"], model["revision"])
    except SetupError:
        return 0  # the job names the file that is missing


def _ask_torch(folder: Path) -> dict | None:
    """`usable.findings` of a process of its own; None if torch is not in this environment or does not start."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    environment, command = {**os.environ, "PYTHONPATH": path}, [sys.executable, "-m", CHECK]
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
        return json.loads(run.stdout.splitlines()[-1]) if run.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None
