"""Peak of the GPU memory of a job, `results/gpu_memory.jsonl`: one row per job that computed with torch on a GPU.

Imports no torch: a process that has not loaded it has used no GPU.
"""

import json
import sys
from pathlib import Path

MEMORY_FILE = "gpu_memory.jsonl"  # in the results folder; append-only


def record_peak_memory(results: Path, job: str, log: str) -> None:
    """Append the most memory that this process has held on its GPU; nothing if it used none.

    Args:
        results: Results folder.
        job: Name of the job's rule.
        log: Its log file, which tells one job of a rule from another.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return
    row = {
        "rule": job,
        "log": log,
        "peak_bytes": torch.cuda.max_memory_reserved(),
        "gpu_bytes": torch.cuda.get_device_properties(0).total_memory,
        "gpu": torch.cuda.get_device_name(0),
    }
    with open(results / MEMORY_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, sort_keys=True) + "\n")


def read_peak_memory(results: Path) -> list[dict]:
    """Recorded rows; a half-written line of a killed job is left out."""
    path = results / MEMORY_FILE
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"rule", "log", "peak_bytes", "gpu_bytes"} <= set(row):
            rows.append(row)
    return rows
