"""Denoising step times measured on this machine, from which the next plan estimates GPU hours."""

import json
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json

STEP_TIMES_FILE = "speeds.jsonl"  # in the results folder; append-only


def step_time_key(parameters: dict) -> dict:
    """What the time of a step depends on, from the parameters of a generate or refine stage."""
    model = parameters["model"]
    return {"model": model["path"], "precision": model["precision"], "size_px": model["size_px"]}


def record_step_times(results: Path, key: dict, steps: int, seconds: float) -> None:
    """Append the steps of a job and the seconds that they took; nothing if the job generated no image."""
    if steps:
        row = {**key, "steps": steps, "seconds": round(seconds, 3), "date": datetime.now(UTC).isoformat("T", "seconds")}
        with open(results / STEP_TIMES_FILE, "a", encoding="utf-8") as file:
            file.write(canonical_json(row) + "\n")


def seconds_per_step(results: Path, key: dict) -> float | None:
    """Mean over all jobs with this key; None if there are none."""
    path = results / STEP_TIMES_FILE
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    matching = [row for row in rows if key.items() <= row.items()]
    steps = sum(row["steps"] for row in matching)
    return sum(row["seconds"] for row in matching) / steps if steps else None
