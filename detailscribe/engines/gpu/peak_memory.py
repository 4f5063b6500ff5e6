"""Peak of the GPU memory of a job, `results/gpu_memory.jsonl`: one row per job that computed with torch on a GPU.

Imports no torch: a process that has not loaded it has used no GPU.
"""

import sys
from pathlib import Path

from detailscribe.files.measurements import append_measurements, read_measurements

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
    append_measurements(results / MEMORY_FILE, [row])


def read_peak_memory(results: Path) -> list[dict]:
    """Recorded rows."""
    rows = read_measurements(results / MEMORY_FILE)
    return [row for row in rows if {"rule", "log"} <= row.keys() and _is_size(row, "peak_bytes", "gpu_bytes")]


def _is_size(row: dict, *names: str) -> bool:
    return all(type(row.get(name)) is int and row[name] > 0 for name in names)
