"""Provenance of a study for the report: commit, library versions, machines, run times, configuration."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import yaml

from detailscribe.engines.machine.hardware import FACTS, machine_description
from detailscribe.files.kept_process import printed

GIT_S = 60.0


def git_commit(folder: Path) -> str:
    """The commit of the code in a folder, with `-dirty` appended where files differ; empty without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    status, text = printed(command, GIT_S) or (1, "")
    return text.strip() if status == 0 else ""


def recorded_versions(rows: Iterable[dict]) -> dict[str, str]:
    """Versions by library that made the images of manifest rows; several versions are joined by `and`."""
    versions: dict[str, set[str]] = {}
    for row in rows:
        for library, version in (row.get("software") or {}).items():
            if library != "source" and library not in FACTS:  # the source of an imported image
                versions.setdefault(library, set()).add(version)
    return {name: " and ".join(sorted(found)) for name, found in sorted(versions.items())}


def recorded_machines(rows: Iterable[dict]) -> dict[str, int]:
    """Number of generated images of manifest rows by the machine that made them, most first.

    Images of different machines may differ in rounding; imported and hosted ones count for none.
    """
    machines = Counter(
        machine_description(software) for row in rows if (software := row.get("software")) and "source" not in software
    )
    return dict(machines.most_common())


def run_times(folder: Path, scenarios: Iterable[str]) -> list[dict]:
    """Jobs and wall-clock seconds of each rule in these scenarios, from Snakemake's benchmark files."""
    rows = []
    for rule in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = [file for name in scenarios for file in (rule / name).rglob("*.tsv")]
        if files:
            seconds = sum(pd.read_csv(file, sep="\t", usecols=["s"])["s"].sum() for file in files)
            rows.append({"rule": rule.name, "jobs": len(files), "seconds": float(seconds)})
    return rows


def public_config(config: dict) -> str:
    """The configuration as YAML, without user names and passwords in URLs."""
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return re.sub(r"(\w://)[^/@\s]+@", r"\1", text)
