"""How long a denoising step took on this machine, for the next plan."""

import json
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json

FILE = "speeds.jsonl"  # in the results folder; only grows


def speed_key(parameters: dict) -> dict:
    """What the time of a step depends on, from the parameters of a generate or refine stage."""
    model = parameters["model"]
    return {"model": model["path"], "precision": model["precision"], "size_px": model["size_px"]}


def note_speed(results: Path, key: dict, steps: int, seconds: float) -> None:
    """Write down the steps of a job that drew something and the seconds they took."""
    if steps:
        row = {**key, "steps": steps, "seconds": round(seconds, 3), "date": datetime.now(UTC).isoformat("T", "seconds")}
        with open(results / FILE, "a", encoding="utf-8") as file:
            file.write(canonical_json(row) + "\n")


def seconds_per_step(results: Path, key: dict) -> float | None:
    """Mean over all jobs that drew under this key; None where none did."""
    path = results / FILE
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    mine = [row for row in rows if key.items() <= row.items()]
    steps = sum(row["steps"] for row in mine)
    return sum(row["seconds"] for row in mine) / steps if steps else None
