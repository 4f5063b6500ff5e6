"""Run of the pipeline's own rules in the folder of a replay: recorded answers alone, no key, no GPU, no network."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from detailscribe.errors import SetupError
from detailscribe.files.rows import decode_line

CODE = Path(__file__).parents[3]
SERVER = "detailscribe.workflow.replay"  # a process of its own: the only room that knows Snakemake is above this one
OUTPUT, FAILURES = "logs/replay.txt", "results/.failures.jsonl"
RULE = re.compile(r'^rule (\w+):.*?^    script:\s+"\.\./scripts/(\w+\.py)"', re.M | re.S)
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.I)  # variables that no replay is given
LAST = 3  # lines of the output that say why nothing ran
MOST_CORES = 8  # more jobs than a study of few shards has at a time
NOT_READ = ("PYTHONPATH", "PYTHONSTARTUP", "SNAKEMAKE_PROFILE")


class Rerun:
    """Runs of rules in a folder, a context manager; the first one waits for the start of Python, the next ones do not.

    Args:
        folder: With `config/config.yaml`, `results/` and `resources/`.
        rules: That may run.
        cores: Scripts that may run at a time.
    """

    def __init__(self, folder: Path, rules: Iterable[str], cores: int):
        self.folder, self.cores = folder, cores
        self.rules = sorted(set(rules))
        self.output = folder / OUTPUT
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.output.touch()
        with open(self.output, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVER, *map(str, _scripts(self.rules))],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._process:
            if kind:
                self._process.terminate()
            self._process.communicate()

    def make(self, targets: Sequence[str]) -> dict[str, str]:
        """Make files, as far as possible.

        Returns:
            What the rules that failed said, by rule; under an empty name, why Snakemake ran nothing.

        Raises:
            SetupError: Snakemake did not start.
        """
        (self.folder / FAILURES).unlink(missing_ok=True)
        before = self.output.stat().st_size
        request = {"arguments": self._arguments(targets), "cores": self.cores, "output": str(self.output)}
        assert self._process and self._process.stdin and self._process.stdout
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            status = self._process.stdout.readline().strip()
        except BrokenPipeError:
            status = ""
        if not status:
            self._process.wait()
            said = _last_lines(self.output.read_text(encoding="utf-8", errors="replace"), 1)
            raise SetupError(f"the replay did not start ({said}); install DetailScribe again with `make setup`")
        failures = self._failures()
        if status != "0" and not failures:
            with open(self.output, "rb") as file:
                file.seek(before)
                failures[""] = _last_lines(file.read().decode("utf-8", "replace"), LAST)
        return failures

    def _arguments(self, targets: Sequence[str]) -> list[str]:
        return [
            *("--snakefile", str(CODE / "Snakefile"), "--configfile", "config/config.yaml"),
            *("--config", "exchanges=replay", "--cores", str(self.cores), "--resources", f"api_calls={self.cores}"),
            *("--workflow-profile", "none", "--rerun-triggers", "mtime", "--nolock", "--scheduler", "greedy"),
            *("--keep-going", "--quiet", "reason", "host", "--allowed-rules", *self.rules, "--", *targets),
        ]

    def _failures(self) -> dict[str, str]:
        failures: dict[str, str] = {}
        try:
            lines = (self.folder / FAILURES).read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        for line in lines:
            row = decode_line(line)
            if isinstance(row, Mapping):
                failures.setdefault(str(row["rule"]), str(row["message"]))
        return failures


def usable_cores() -> int:
    """Cores that this process may use, at most MOST_CORES."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_CORES)


def _scripts(rules: Iterable[str]) -> list[Path]:
    """The scripts of rules."""
    found: dict[str, str] = {}
    for file in sorted((CODE / "rules").glob("*.smk")):
        for block in re.split(r"(?m)^(?=rule )", file.read_text(encoding="utf-8")):
            if match := RULE.match(block):
                found[match[1]] = match[2]
    return sorted({CODE / "scripts" / found[rule] for rule in rules if rule in found})


def _environment() -> dict[str, str]:
    """The environment of a replay: no key, no hub, no GPU, one thread a process."""
    kept = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    kept = {name: value for name, value in kept.items() if name not in NOT_READ}
    return kept | {
        **{"PYTHONPATH": str(CODE), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        **{"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    }


def _last_lines(text: str, count: int) -> str:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it printed nothing"
