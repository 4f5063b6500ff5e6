"""Checks of a machine: the same bytes after a restart, batches, memory, and scorers on the card against the CPU.

    python benchmarks/engine.py --check [--ways exact fast] [--size tiny|middle|large] [--budget-seconds N]

One line of JSON a check, the last line has them all; exit status 1 if one failed.

`bytes-WAY`: a process draws two originals and four candidates, an original and a candidate are deleted, and a second
process, which compiles by itself, draws what is missing. Passed if both files have the same bytes again.
`pipeline`: a candidate of `exact` in a batch of its own against diffusers' own pipeline with the released callback.
Passed if no grey level differs.
`batch`: candidates as one batch against each as a batch of its own: the largest difference in grey levels of 255. A
measured figure, neither right nor wrong, as long as every value is finite.
`memory`: peaks of `exact` while it encodes, denoises and decodes.
`score-METRIC`: the scores of ten pictures by the demo models, on the card and on the CPU. Passed if none differs by
more than 1e-3.

Without a CUDA device the checks that need two devices, or the card's memory, are skipped and never passed. Derived for
one H100 at the middle size: a process 20 s to start, `fast` 20 to 60 more to compile; together 3 to 4 minutes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from engine_draw import CANDIDATES, SEEDS
from engine_floor import phases_of
from engine_measure import Budget, release
from engine_model import Model
from engine_scores import score_checks
from engine_ways import KS, LEAST_STEPS, PROMPT, loaded

from detailscribe.engines import torch_setup
from detailscribe.files.digests import file_sha256

DRAW = Path(__file__).with_name("engine_draw.py")
DELETED = ("original-2.png", "candidate-k2.png")
NO_CARD = "no CUDA device"
PASSED, FAILED, SKIPPED, MEASURED = "passed", "failed", "skipped", "measured"


def run_checks(
    ways: list[str], size: str | None, started: float, limit_s: float | None, say: Callable[[dict], None]
) -> int:
    """Run all checks, say each as soon as it is known, and return the exit status.

    Args:
        ways: Profiles whose bytes are checked.
        size: A key of SIZES; None for middle on a card, tiny on a processor.
        started: Monotonic time from which the limit counts.
    """
    device = torch_setup.default_device()
    size = size or ("middle" if device.type == "cuda" else "tiny")
    budget = Budget(limit_s, started)
    checks: list[tuple[str, Callable[[], dict]]] = [
        (f"bytes-{way}", lambda way=way: restart_check(way, size)) for way in ways
    ]
    model = Model(size, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    checks += [
        ("pipeline", lambda: pipeline_check(model)),
        ("batch", lambda: batch_check(model)),
        ("memory", lambda: memory_check(model)),
        *score_checks(),
    ]
    lines = []
    try:
        for name, check in checks:
            lines.append({"check": name, "size": size} | one_check(check, budget, device))
            say(lines[-1])
    finally:
        model.close()
    by_status = {status: [line["check"] for line in lines if line["status"] == status] for status in STATUSES}
    by_name = {line["check"]: line for line in lines}
    say({**by_status, "device": str(device), "total_s": round(time.monotonic() - started, 1), "checks": by_name})
    return 1 if by_status[FAILED] else 0


STATUSES = (PASSED, FAILED, SKIPPED, MEASURED)


def one_check(check: Callable[[], dict], budget: Budget, device: torch.device) -> dict:
    """A check's line; an exception is a failure of this check alone."""
    if budget.left_s <= 0:
        return {"status": SKIPPED, "reason": "the budget of seconds is spent"}
    start = time.perf_counter()
    try:
        line = check()
    except Exception as error:  # noqa: BLE001 - the other checks run all the same
        line = {"status": FAILED, "reason": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
    finally:
        release(device)
    return line | {"seconds": round(time.perf_counter() - start, 1)}


def restart_check(way: str, size: str) -> dict:
    """Whether a new process draws the bytes of an earlier one."""
    with tempfile.TemporaryDirectory(prefix="detailscribe-check-") as temporary:
        folder = Path(temporary)
        first = draw_in_new_process(folder, way, size)
        before = {name: (file_sha256(folder / name), pixels(folder / name)) for name in DELETED}
        for name in DELETED:
            (folder / name).unlink()
        second = draw_in_new_process(folder, way, size)
        same = {name: file_sha256(folder / name) == digest for name, (digest, _) in before.items()}
        levels = max(levels_apart(pixels(folder / name), image) for name, (_, image) in before.items())
        flat = [name for name, (_, image) in before.items() if image.min() == image.max()]
    # A second process that found nothing to draw, or a picture of one colour, would show nothing.
    ok = all(same.values()) and sorted(second["drawn"]) == sorted(DELETED) and not flat
    return {
        "status": PASSED if ok else FAILED,
        "same_bytes": same,
        "largest_difference": levels,
        "drawn": [len(first["drawn"]), len(second["drawn"])],
        "process_s": [first["process_s"], second["process_s"]],
        "peaks_gb": first["peaks_gb"],
    }


def draw_in_new_process(folder: Path, way: str, size: str) -> dict:
    """Let a new process draw what is missing in a folder; returns its figures.

    Raises:
        RuntimeError: with the process's last line, if it failed.
    """
    start = time.perf_counter()
    command = [sys.executable, str(DRAW), str(folder), "--way", way, "--size", size]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(((run.stderr or run.stdout).strip().splitlines() or ["no output"])[-1])
    return json.loads(run.stdout.splitlines()[-1]) | {"process_s": round(time.perf_counter() - start, 1)}


def pipeline_check(model: Model) -> dict:
    """Whether this engine draws what diffusers' pipeline draws, each image in a batch of its own."""
    with loaded("exact", model, LEAST_STEPS, batch="image") as way:
        ours = [np.asarray(image, int) for image in way.draw(SEEDS[0])]
    with loaded("plain", model, LEAST_STEPS) as way:
        theirs = [np.asarray(image, int) for image in way.draw(SEEDS[0])]
    levels = max(levels_apart(one, other) for one, other in zip(ours, theirs, strict=True))
    return {"status": FAILED if levels else PASSED, "largest_difference": levels}


def batch_check(model: Model) -> dict:
    """How far candidates of one batch are from the same ones in batches of their own."""
    images = {}
    for batch in ("candidates", "image"):
        with loaded("exact", model, LEAST_STEPS, batch=batch) as way:
            images[batch] = [np.asarray(image, int) for image in way.draw(SEEDS[0])]
    pairs = list(zip(images["candidates"], images["image"], strict=True))
    by_k = {f"k{k}": levels_apart(*pair) for k, pair in zip(KS, pairs, strict=True)}
    mean = float(np.mean([np.abs(one - other).mean() for one, other in pairs]))
    return {"status": MEASURED, "largest_difference": by_k, "mean_difference": round(mean, 4)}


def memory_check(model: Model) -> dict:
    """Peaks of an original and of the candidates of a prompt, by phase."""
    if model.device.type != "cuda":
        return {"status": SKIPPED, "reason": NO_CARD}
    peaks = {}
    with loaded("exact", model, LEAST_STEPS) as way, phases_of(way.pipe, model.device) as phases:
        for name, work in (
            ("original", lambda: way.engine.generate(PROMPT, SEEDS[0])),
            ("candidates", lambda: way.draw(SEEDS[0])),
        ):
            way.engine.prepare([])
            phases.start()
            work()
            peaks[name] = phases.stop()["peaks_gb"]
    return {"status": MEASURED, "peaks_gb": peaks, "batch": len(CANDIDATES)}


def pixels(path: Path) -> np.ndarray:
    """(height, width, 3), 0 to 255."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), int)


def levels_apart(one: np.ndarray, other: np.ndarray) -> int:
    """Largest difference of two images, of 255."""
    return int(np.abs(one - other).max())
