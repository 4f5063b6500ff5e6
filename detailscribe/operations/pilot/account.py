"""Account of a pilot: GPU memory, disk, minutes and dollars that it took, from what its jobs left on disk."""

import csv
import json
import re
from collections import defaultdict
from pathlib import Path

from detailscribe.engines.gpu.peak_memory import read_peak_memory
from detailscribe.engines.weight_records import RECORDS_FOLDER
from detailscribe.study.pilot import PILOT_SCENARIO

READY = re.compile(r"Endpoint '[^']+': \S+ is ready after (\d+) s")


def pilot_account(
    results: Path, run_s: float, benchmarks: Path = Path("benchmarks"), logs: Path = Path("logs")
) -> list[str]:
    """Sentences about what the pilot took.

    Args:
        results: Results folder.
        run_s: Seconds of this run; jobs of earlier runs count in the sums by rule alone.
        benchmarks, logs: Folders of Snakemake's benchmarks and of the jobs' logs.
    """
    seconds: dict[str, float] = defaultdict(float)
    for file in sorted(benchmarks.glob(f"*/{PILOT_SCENARIO}/**/*.tsv")):
        seconds[file.relative_to(benchmarks).parts[0]] += _benchmark_s(file)
    rules = ", ".join(f"{rule} {value / 60:.1f}" for rule, value in sorted(seconds.items(), key=lambda item: -item[1]))
    with open(results / PILOT_SCENARIO / "tables" / "cost.csv", encoding="utf-8", newline="") as table:
        costs = list(csv.DictReader(table))
    dollars, calls = sum(float(row["cost_usd"]) for row in costs), sum(int(row["calls"]) for row in costs)
    lines = [
        f"GPU memory: {_memory(results)}",
        f"disk: {_size(results / PILOT_SCENARIO) / 1e6:.0f} MB of results, {_weights_bytes() / 1e9:.1f} GB of weights",
        f"time: {run_s / 60:.1f} minutes of this run; by rule: {rules or 'none'}",
        f"dollars: {dollars:.2f} for {calls} calls to models",
    ]
    if measured := _servers(benchmarks, logs):
        lines.append(measured)
        if not any(row.get("server") for row in _pilot_memory(results)):
            lines[0] += "; that of servers could not be measured"
    more = "The study takes over these images and answers; `snakemake plan` says what is left."
    return ["Pilot: it took:", *(f"  {line}" for line in lines), more]


def _memory(results: Path) -> str:
    peaks = _pilot_memory(results)
    if not peaks:
        return "none"
    most = max(peaks, key=lambda row: row["peak_bytes"])
    by = f"the server of {most['rule']}" if most.get("server") else most["rule"]
    return f"{most['peak_bytes'] / 1e9:.1f} of {most['gpu_bytes'] / 1e9:.1f} GB, by {by}"


def _pilot_memory(results: Path) -> list[dict]:
    return [row for row in read_peak_memory(results) if f"/{PILOT_SCENARIO}/" in row["log"]]


def _servers(benchmarks: Path, logs: Path) -> str:
    """Seconds per start of a server and per call, as `plan` takes them; empty if no job started one."""
    starts, rest, calls = [], 0.0, 0
    for log in sorted(logs.glob(f"*/{PILOT_SCENARIO}/**/*.log")):
        found = READY.findall(log.read_text(encoding="utf-8", errors="replace"))
        benchmark = benchmarks / log.relative_to(logs).with_suffix(".tsv")
        if found and benchmark.is_file():
            starts += [int(each) for each in found]
            rest += max(0.0, _benchmark_s(benchmark) - sum(map(int, found)))
            calls += _calls(log)
    if not starts:
        return ""
    call_s = f", call_s: {max(rest / calls, 0.001):.3g}" if calls else ""
    return f"servers: set `plan: {{server_start_s: {max(sum(starts) / len(starts), 1):.0f}{call_s}}}`"


def _calls(log: Path) -> int:
    """Calls of a job, from the last state of the progress bar in its log: `decompose_prompts: 100%|##| 5/5 [...`."""
    found = re.findall(r"\| (\d+)/\d+ \[", log.read_text(encoding="utf-8", errors="replace"))
    return int(found[-1]) if found else 0


def _benchmark_s(file: Path) -> float:
    with open(file, encoding="utf-8", newline="") as lines:
        return sum(float(row["s"]) for row in csv.DictReader(lines, delimiter="\t"))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _weights_bytes() -> int:
    records = [json.loads(file.read_text(encoding="utf-8")) for file in RECORDS_FOLDER.glob("*.json")]
    files = {Path(record["folder"]) / name for record in records if record.get("folder") for name in record["files"]}
    return sum(file.stat().st_size for file in files if file.is_file())
