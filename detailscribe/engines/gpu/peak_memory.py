"""Peak of the GPU memory of a job, `results/gpu_memory.jsonl`: one row per job that used a GPU, and per server of one.

Imports no torch: a process that has not loaded it has used no GPU.
"""

import re
import sys
from collections.abc import Collection
from pathlib import Path

from detailscribe.engines.gpu.installed import nvidia_smi
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


def record_server_memory(results: Path, job: str, log: str, pids: Collection[int]) -> None:
    """Append the GPU memory that a server's processes hold now, as nvidia-smi shows it; nothing if it shows none.

    Servers take their memory when they start and keep it. In a container nvidia-smi may show other process numbers.
    """
    used = re.findall(r"^(\d+), (\d+)$", _ask_smi("--query-compute-apps=pid,used_memory"), re.M)
    held = sum(int(mib) for pid, mib in used if int(pid) in pids)
    cards = re.findall(r"^(\d+), (.+)$", _ask_smi("--query-gpu=memory.total,name"), re.M)
    if held and cards:
        sizes = {"peak_bytes": held << 20, "gpu_bytes": int(cards[0][0]) << 20}
        append_measurements(
            results / MEMORY_FILE, [{"rule": job, "log": log, "gpu": cards[0][1], "server": True} | sizes]
        )


def _ask_smi(query: str) -> str:
    return nvidia_smi(query, "--format=csv,noheader,nounits") or ""


def read_peak_memory(results: Path) -> list[dict]:
    """Recorded rows."""
    rows = read_measurements(results / MEMORY_FILE)
    return [row for row in rows if {"rule", "log"} <= row.keys() and _is_size(row, "peak_bytes", "gpu_bytes")]


def _is_size(row: dict, *names: str) -> bool:
    return all(type(row.get(name)) is int and row[name] > 0 for name in names)
