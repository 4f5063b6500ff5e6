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

Without `--size`, on a card: `bytes-exact`, `pipeline`, `batch` and `memory` at the large size, if the card holds it and
the budget leaves the time, as each line's `size` says; other profiles' bytes at the middle one. On a processor: tiny.

Without a CUDA device the checks that need two devices, or the card's memory, are skipped and never passed, and so is a
process that the budget of seconds ended. Derived for one H100: a process 20 s to start, 15 to 30 more to make the large
weights, `fast` 20 to 60 to compile; together 5 to 6 minutes, at the middle size alone 3 to 4.
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
from engine_floor import phases_of, release
from engine_measure import DEVICE_LOST, Budget, words_of
from engine_model import Model
from engine_scores import score_checks
from engine_ways import KS, LEAST_STEPS, PROMPT, loaded

from detailscribe.engines import torch_setup
from detailscribe.files.digests import file_sha256

DRAW = Path(__file__).with_name("engine_draw.py")
DELETED = ("original-2.png", "candidate-k2.png")
NO_CARD = "no CUDA device"
LARGE_CARD_BYTES = 32e9  # the weights alone are 27.4 GB
LARGE_S = 150.0  # assumed: two processes that make the large weights; or one, and three checks with them
PROCESS_S = 1800.0  # a process that takes longer hangs
PASSED, FAILED, SKIPPED, MEASURED = "passed", "failed", "skipped", "measured"


class OutOfBudget(Exception):
    """A process that was ended because the budget of seconds was spent."""


def run_checks(
    ways: list[str], size: str | None, started: float, limit_s: float | None, say: Callable[[dict], None]
) -> int:
    """Run all checks, say each as soon as it is known, and return the exit status.

    Args:
        ways: Profiles whose bytes are checked.
        size: A key of SIZES; None for the largest that the device and the time allow.
        started: Monotonic time from which the limit counts.
    """
    device = torch_setup.default_device()
    budget = Budget(limit_s, started)
    models: list[Model] = []

    def model() -> Model:
        if not models:
            dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
            models.append(Model(size or size_of("exact", device, budget), device, dtype))
        return models[0]

    def restart(way: str) -> dict:
        chosen = size or size_of(way, device, budget)
        return {"size": chosen} | restart_check(way, chosen, budget)

    checks: list[tuple[str, Callable[[], dict]]] = [(f"bytes-{way}", lambda way=way: restart(way)) for way in ways]
    checks += [
        ("pipeline", lambda: {"size": model().name} | pipeline_check(model())),
        ("batch", lambda: {"size": model().name} | batch_check(model())),
        ("memory", lambda: {"size": model().name} | memory_check(model())),
        *score_checks(),
    ]
    lines: list[dict] = []
    try:
        for name, check in checks:
            if any("device_lost" in line for line in lines):
                lines.append({"check": name, "status": SKIPPED, "reason": "the device was lost before"})
            else:
                lines.append({"check": name} | one_check(check, budget, device))
            say(lines[-1])
    finally:
        for each in models:
            each.close()
    by_status = {status: [line["check"] for line in lines if line["status"] == status] for status in STATUSES}
    by_name = {line["check"]: line for line in lines}
    say({**by_status, "device": str(device), "total_s": round(time.monotonic() - started, 1), "checks": by_name})
    return 1 if by_status[FAILED] else 0


STATUSES = (PASSED, FAILED, SKIPPED, MEASURED)


def size_of(way: str, device: torch.device, budget: Budget) -> str:
    """The size at which a profile is checked, if none is asked for."""
    if device.type != "cuda":
        return "tiny"
    holds = torch.cuda.get_device_properties(device).total_memory >= LARGE_CARD_BYTES
    return "large" if way == "exact" and holds and budget.left_s >= LARGE_S else "middle"


def one_check(check: Callable[[], dict], budget: Budget, device: torch.device) -> dict:
    """A check's line; an exception is a failure of this check alone, unless it leaves the device unusable."""
    if budget.left_s <= 0:
        return {"status": SKIPPED, "reason": "the budget of seconds is spent"}
    start = time.perf_counter()
    try:
        line = check()
    except OutOfBudget as error:
        line = {"status": SKIPPED, "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - the other checks run all the same
        line = {"status": FAILED, "reason": words_of(error)}
    if not release(device):
        line = {"reason": DEVICE_LOST} | line | {"status": FAILED, "device_lost": True}
    return line | {"seconds": round(time.perf_counter() - start, 1)}


def restart_check(way: str, size: str, budget: Budget) -> dict:
    """Whether a new process draws the bytes of an earlier one."""
    with tempfile.TemporaryDirectory(prefix="detailscribe-check-") as temporary:
        folder = Path(temporary)
        first = draw_in_new_process(folder, way, size, budget)
        before = {name: (file_sha256(folder / name), pixels(folder / name)) for name in DELETED}
        for name in DELETED:
            (folder / name).unlink()
        second = draw_in_new_process(folder, way, size, budget)
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


def draw_in_new_process(folder: Path, way: str, size: str, budget: Budget) -> dict:
    """Let a new process draw what is missing in a folder; returns its figures.

    Raises:
        OutOfBudget: it was ended because the budget was spent.
        RuntimeError: with the process's last line, if it failed, or that it hung.
    """
    start = time.perf_counter()
    command = [sys.executable, str(DRAW), str(folder), "--way", way, "--size", size]
    limit_s = min(max(budget.left_s, 0), PROCESS_S)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        if limit_s < PROCESS_S:
            raise OutOfBudget(f"the budget of seconds ended a process after {limit_s:.0f} s") from None
        raise RuntimeError(f"a process did not end in {limit_s:.0f} s") from None
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
