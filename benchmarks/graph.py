"""What orchestration costs: the real Snakefile on 1000 prompts, every job run, the models' work stubbed out.

    make bench-graph                       1000 written prompts
    python benchmarks/graph.py --prompts FOLDER    real ones from the *.jsonl files of a folder, filled up to 1000

The methods, seeds and candidates are the default study's, with three metrics; engine, metrics and hosted models are
stubs (`tests.stub_models`, the offline endpoint). `model_loads` counts the processes of the full run that load the
image model. Then the study is packed (`snakemake pack`), nothing to do and one deleted image are measured again, as
multiples of the same unpacked, and the unpacked files are compared with those before. Prints a table, then one line of
JSON. `scheduler_mb` is the peak of Snakemake's own process, the largest of all runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from detailscribe.files.digests import file_sha256
from detailscribe.files.packing import drop
from tests.stub_models import LOADS

REPOSITORY = Path(__file__).parents[1]
SHARDS = 20
METRIC = {"module": "tests.stub_models", "model": None, "pretrained": None, "revision": None}
CONFIG = {
    "study": ["graph"],
    "scenarios": {"graph": {"file": "graph.jsonl", "shards": SHARDS}},
    "metrics": {name: METRIC for name in ("clip_score", "image_reward", "blip_vqa")},
    "judges": {"main": None},  # 16,000 questions to the stand-in would be work, not orchestration
}
# What Python imports first in every process of a run: the engine alone is replaced.
SITE = (
    "from tests import stub_models\n\n"
    'stub_models.install("detailscribe.engines.load", "detailscribe.engines.machine.hardware")\n'
)
POLL_S = 0.05


@dataclass
class Cost:
    """A finished run: seconds by the clock, seconds of processor with its jobs, peak of Snakemake's own memory."""

    wall_s: float
    cpu_s: float
    scheduler_mb: float
    output: str

    @property
    def jobs(self) -> int:
        """Jobs that a dry run planned or a run did."""
        lines = [line.split() for line in self.output.splitlines()]
        return next((int(words[1]) for words in lines if len(words) == 2 and words[0] == "total"), 0)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--prompts", type=Path, help="folder of *.jsonl prompt files to take real prompts from")
    options.add_argument("--count", type=int, default=1000, help="prompts")
    options = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="graph-") as name:
        measure(Path(name), prompts(options.prompts, options.count))


def measure(folder: Path, records: list[dict]) -> None:
    """Run the study in this folder, change one thing after the other, and print what each costs."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    (folder / "graph.yaml").write_text(yaml.safe_dump(CONFIG))
    write(folder, records)
    print(f"{len(records)} prompts, {sum('number' not in record for record in records)} of them real; {SHARDS} shards")

    costs = {"dry run": snakemake(folder, "-n"), "full run": snakemake(folder)}
    images, loads = files(folder), len((folder / "loads.txt").read_text().splitlines())
    costs["nothing to do"] = snakemake(folder)
    assert "Nothing to be done" in costs["nothing to do"].output, costs["nothing to do"].output[-2000:]

    records[0]["prompt"] += " It is raining."
    write(folder, records)
    costs["one prompt edited: plan"] = snakemake(folder, "-n")
    costs["one prompt edited: run"] = snakemake(folder)
    drawn = files(folder) - images
    sets = len({image.parent.parent for image in images})
    assert len(drawn) == sets, f"{len(drawn)} images were drawn for one edited prompt, {sets} expected"

    victim = min(drawn)
    victim.unlink()
    before = {image: image.stat().st_mtime_ns for image in files(folder)}
    costs["one image deleted: run"] = snakemake(folder)
    redrawn = {image for image in files(folder) if before.get(image) != image.stat().st_mtime_ns}
    assert redrawn == {victim}, f"{len(redrawn)} images were drawn for one deleted"
    every = sum(path.is_file() for path in folder.rglob("*"))
    loose, packed = measure_packed(folder, costs, victim)

    print(f"{len(images)} images, {loads} loads of the image model")
    print(f"{loose} files in results/ and resources/, packed {packed}")
    print(f"\n{'':28}{'wall s':>9}{'CPU s':>9}{'jobs':>7}{'scheduler MB':>14}")
    for name, cost in costs.items():
        print(f"{name:28}{cost.wall_s:9.1f}{cost.cpu_s:9.1f}{cost.jobs:7}{cost.scheduler_mb:14.0f}")
    figures = {
        "noop_s": costs["nothing to do"].wall_s,
        "edit_one_plan_s": costs["one prompt edited: plan"].wall_s,
        "full_s": costs["full run"].wall_s,
        "scheduler_mb": max(cost.scheduler_mb for cost in costs.values()),
        "jobs": costs["full run"].jobs,
        "model_loads": loads,
        "dry_run_s": costs["dry run"].wall_s,
        "full_cpu_s": costs["full run"].cpu_s,
        "edit_one_run_s": costs["one prompt edited: run"].wall_s,
        "delete_one_s": costs["one image deleted: run"].wall_s,
        "prompts": len(records),
        "images": len(images),
        "files": every,
        "study_files": loose,
        "packed_files": packed,
        "packed_noop_ratio": costs["packed: nothing to do"].cpu_s / costs["nothing to do"].cpu_s,
        "packed_delete_one_ratio": costs["packed: one image deleted"].cpu_s / costs["one image deleted: run"].cpu_s,
        "pack_s": costs["pack"].wall_s,
        "unpack_s": costs["unpack"].wall_s,
    }
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def measure_packed(folder: Path, costs: dict[str, Cost], victim: Path) -> tuple[int, int]:
    """Pack the study, find nothing to do, delete one packed image, unpack; the number of its files before and after."""
    before = digests(folder)
    costs["pack"] = snakemake(folder, target="pack")
    packed = len(digests(folder))
    costs["packed: nothing to do"] = snakemake(folder)
    assert "Nothing to be done" in costs["packed: nothing to do"].output, costs["packed: nothing to do"].output[-2000:]
    drop(victim.parent, [victim.name])
    os.utime(victim.parent)  # as tools do that write the archive anew
    costs["packed: one image deleted"] = snakemake(folder)
    assert (drawn := files(folder)) == {victim}, f"{len(drawn)} images were drawn for one deleted"
    costs["unpack"] = snakemake(folder, target="unpack")
    after = digests(folder)
    changed = {name for name in before if is_of_prompts(name) and before[name] != after.get(name)}
    assert not changed, f"{len(changed)} files came back changed: {min(changed)}"
    return len(before), packed


def digests(folder: Path) -> dict[str, str]:
    """Digests of the files of results/ and resources/."""
    found = (path for name in ("results", "resources") for path in (folder / name).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in found}


def is_of_prompts(name: str) -> bool:
    """Whether a file is one of those of each prompt: an image, an exchange, or in a report."""
    folders = ("/images/", "/exchanges/", "/thumbnails/", "/prompts/")
    return name.rpartition(".")[2] in ("jpg", "png", "json", "html") and any(folder in name for folder in folders)


def snakemake(folder: Path, *arguments: str, target: str = "graph") -> Cost:
    """Run Snakemake in the folder on two cores."""
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", str(REPOSITORY / "Snakefile"), *arguments]
    command += ["--cores", "2", "--resources", "gpu=2", "api_calls=2", "--configfile", "graph.yaml"]
    path = os.pathsep.join([str(folder / "site"), str(REPOSITORY)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", LOADS: str(folder / "loads.txt")}
    with open(folder / "run.log", "w+") as log:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        peak = [0]
        watcher = threading.Thread(target=watch, args=(process, peak))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
        log.seek(0)
        output = log.read()
    if process.returncode:
        sys.exit(output[-4000:])
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, peak[0] / 1024, output)


def watch(process: subprocess.Popen, peak: list[int]) -> None:
    """Keep the peak of a process' own memory in KiB."""
    while process.returncode is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        peaks = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        peak[0] = max([*peak, *peaks])
        time.sleep(POLL_S)


def prompts(folder: Path | None, count: int) -> list[dict]:
    """Real records from a folder, and then written ones that carry a number."""
    real = {}
    for path in sorted(folder.glob("*.jsonl")) if folder else []:
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            real[record["topic"], record["prompt"]] = {key: record[key] for key in ("topic", "prompt")}
    records = list(real.values())[:count]
    written = [
        {
            "topic": f"heap {number}",
            "prompt": f"A heap of {number} stones beside a river, seen from above.",
            "number": number,
        }
        for number in range(count - len(records))
    ]
    return records + written


def write(folder: Path, records: list[dict]) -> None:
    """The scenario's file."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    (folder / "graph.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def files(folder: Path) -> set[Path]:
    """Every image."""
    return set((folder / "results" / "graph" / "images").glob("*/*/*.jpg"))


if __name__ == "__main__":
    main()
