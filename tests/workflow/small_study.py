"""A small study with every stage in it, its runs, and its results."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from detailscribe.files.rows import read_rows
from tests.paths import REPOSITORY, STUB_PATH
from tests.workflow import snakemake_server

PROMPTS = [
    ("carry-log", "Two beavers carry a log together, one at each end."),
    ("paint fence", "A goat paints a fence with a brush tied to its horn."),
    ("paint fence", "A goat and a hen paint a fence, the hen holding the bucket."),
    ("baker’s dozen", "Thirteen buns in a ring on a dark table, one bun in the middle."),
]
SMALL = {
    "study": ["small"],
    "scenarios": {"small": {"file": "small.jsonl", "shards": 1}},
    "generation": {"steps": 4},
    "seeds": [11, 12],
    "extra_seeds": [],
    "critics": {"detailscribe": {"after_step": [0, 1]}, "ablation": None},
    "image_models": {"miniature": {"size_px": 32, "max_sequence_length": 32}},
    "bootstrap": {"resamples": 100},
    "metrics": {"image_reward": None, "blip_vqa": None},  # test_scores.py has them back
    "judges": {"demo_parts": None, "demo_audit": None, "demo_pairs": None},  # test_questions.py, test_pairs.py ask such
}

SNAKEMAKE = sys.executable, "-m", "snakemake"
TABLE = "results/small/tables/main.csv"


class Study:
    """A working folder of the pipeline, and what a user does in it.

    Args:
        folder: The working folder.
        real: Whether the real models run. Otherwise `tests.stub_models` replace them.
        forked: Whether runs and jobs are forks (see `snakemake_server`). Otherwise each is a process of its own.
    """

    def __init__(self, folder: Path, real: bool = False, forked: bool = True):
        self.folder = folder
        self.real = real
        self.forked = forked and not real
        self.results = folder / "results"

    def snakemake(self, *arguments: str, expect: int = 0, env: dict | None = None, **changes) -> str:
        """Run Snakemake here; `changes` are merged into the small config. Returns what it printed."""
        command, env = self.command(*arguments, **changes), self.env(env)
        if self.forked:
            status, output = snakemake_server.run(command[len(SNAKEMAKE) :], self.folder, env)
        else:
            process = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)
            status, output = process.returncode, process.stdout + process.stderr
        assert status == expect, output[-6000:]
        return output

    def command(self, *arguments: str, **changes) -> list[str]:
        """The command line of a run."""
        config = self.folder / "small.yaml"
        text = yaml.safe_dump(merged(SMALL, changes), allow_unicode=True)
        if not config.exists() or config.read_text() != text:
            config.write_text(text)
        snakefile = str(REPOSITORY / "Snakefile")
        return [
            *(*SNAKEMAKE, "--snakefile", snakefile, *arguments),
            *("--cores", "1", "--configfile", str(config)),
        ]

    def env(self, extra: dict | None = None) -> dict:
        """The environment of a run: no key, no hub."""
        keep = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        if not self.real:
            keep["PYTHONPATH"] = os.pathsep.join(map(str, STUB_PATH))
        return {**keep, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **(extra or {})}

    def nothing_to_do(self, *targets: str, **changes) -> bool:
        """Whether a dry run finds the targets up to date, by default all."""
        return "Nothing to be done" in self.snakemake("-n", *targets, **changes)

    def take_miniature(self, other: "Study") -> None:
        """Take over the miniature of another study as built."""
        folder, parameters = Path("resources") / "miniature", Path("parameters") / "miniature.json"
        shutil.copytree(other.folder / folder, self.folder / folder)
        (self.results / parameters).parent.mkdir(parents=True)
        shutil.copy2(other.results / parameters, self.results / parameters)  # a new one would build it again

    def prompts(self, prompts: list[tuple[str, str]]) -> None:
        """Write the scenario's file."""
        lines = [json.dumps({"topic": topic, "prompt": prompt}, ensure_ascii=False) for topic, prompt in prompts]
        (self.folder / "small.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def rows(self, pattern: str) -> list[dict]:
        """Rows of all files that match below results/small."""
        return [row for path in sorted((self.results / "small").glob(pattern)) for row in read_rows(path)]

    def images(self) -> dict[str, bytes]:
        """Bytes of every image that a manifest names, by file."""
        rows = [row for row in self.rows("images/*/*.jsonl") if row["file"]]
        return {row["file"]: (self.results / row["file"]).read_bytes() for row in rows}

    def times(self) -> dict[str, int]:
        """When each image file was written, in nanoseconds, by name without its shard."""
        files = (self.results / "small" / "images").glob("*/*/*.*")
        return {f"{path.parent.parent.name}/{path.name}": path.stat().st_mtime_ns for path in files}

    def exchanges(self) -> int:
        """How many exchanges are recorded."""
        return len(list((self.folder / "resources" / "exchanges").glob("*/*.json")))

    def exchange(self, digest: str) -> dict:
        """A recorded exchange."""
        return json.loads((self.folder / "resources" / "exchanges" / digest[:2] / f"{digest}.json").read_text())

    def table(self) -> bytes:
        """The main table."""
        return (self.folder / TABLE).read_bytes()


def merged(base: dict, changes: dict) -> dict:
    """`changes` merged into `base`, mappings recursively."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else value
    return result


def planned(output: str) -> dict[str, int]:
    """Jobs by rule, from the output of a run or a dry run."""
    stats = output[output.index("Job stats:") :].split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+(\d+)$", stats, re.M) if name != "total"}
