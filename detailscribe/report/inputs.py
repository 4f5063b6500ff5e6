"""What a report job gathers: the stages' rows, tables and figures with captions, run times, versions, settings."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import yaml

from detailscribe.files.rows import read_rows
from detailscribe.llm import exchange_store
from detailscribe.report.prompt_story import Scenario
from detailscribe.report.site import Overview
from detailscribe.workflow.inputs import rows_by_id

TABBED = {"sep": "\t", "dtype": str, "keep_default_na": False, "quoting": 3}


def scenario(name: str, files, parameters: dict, store: Path) -> Scenario:
    """Everything about a scenario's prompts.

    Args:
        files: The job's inputs: `prompts`, `decompositions`, `critiques`, `manifests`, `scores`, `dropped`, `ratings`.
        parameters: `methods`, and `critics` with name and candidates.
        store: The exchanges, for the judges' words.
    """
    parts, critiques, images, scores = {}, {}, {}, {}
    for file in files.decompositions:
        parts.update(rows_by_id(file))
    for file in map(Path, files.critiques):
        critiques.setdefault(file.parent.name, {}).update(rows_by_id(file))
    for file in map(Path, files.manifests):
        images.setdefault(file.parent.name, {}).update(rows_by_id(file))
    for file in map(Path, files.scores):
        rows = {(row["id"], row["image_set"]): row for row in read_rows(file)}
        scores.setdefault(file.parent.name, {}).update(rows)
    return Scenario(
        name=name,
        prompts=read_rows(Path(files.prompts)),
        parts=parts,
        critiques=critiques,
        images=images,
        scores=scores,
        words=judges_words(scores, store),
        ratings=[row for file in files.ratings for row in pd.read_csv(file).to_dict("records")],
        dropped=[row for file in files.dropped for row in pd.read_csv(file, **TABBED).to_dict("records")],
        methods=parameters["methods"],
        critics={row["name"]: row["candidates"] for row in parameters["critics"]},
    )


def overview(snakemake, title: str, folders: dict[str, Path], notice: str, images: dict[str, dict]) -> Overview:
    """The overview of a job's inputs `main`, `tables`, `figures` and `dropped`.

    Args:
        folders: Results folder of each scenario.
        images: Manifest rows by id, by manifest: the versions that made them.
    """
    captions = Path(snakemake.scriptdir).parent / "rules" / "captions"
    software: dict[str, set] = {}
    for rows in images.values():
        for row in rows.values():
            for library, version in (row.get("software") or {}).items():
                if library != "source":  # of an image made elsewhere
                    software.setdefault(library, set()).add(version)
    dropped = [
        {"scenario": Path(file).parent.name, **row}
        for file in snakemake.input.dropped
        for row in pd.read_csv(file, **TABBED).to_dict("records")
    ]
    return Overview(
        title=title,
        notice=notice,
        main=pd.concat(with_scenario(Path(file)) for file in snakemake.input.main),
        tables=[
            (title_of(Path(file), folders), caption(captions, Path(file)), pd.read_csv(file))
            for file in [*snakemake.input.main, *snakemake.input.tables]
            if Path(file).stat().st_size > 0
        ],
        figures=[(caption(captions, Path(file)), Path(file)) for file in snakemake.input.figures],
        dropped=dropped,
        runs=run_times(Path("benchmarks"), folders),
        versions={name: " and ".join(sorted(versions)) for name, versions in sorted(software.items())},
        commit=commit(Path(snakemake.scriptdir)),
        config=settings(snakemake.config),
    )


def settings(config: dict) -> str:
    """The configuration as YAML, without a name and password that an address may carry."""
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return re.sub(r"(\w://)[^/@\s]+@", r"\1", text)


def with_scenario(file: Path) -> pd.DataFrame:
    """The main table of a scenario, or of all together (results/tables/pooled.csv), with a scenario column in front."""
    table = pd.read_csv(file)
    table.insert(0, "scenario", "all prompts" if file.stem == "pooled" else file.parent.parent.name)
    return table


def title_of(file: Path, folders: dict[str, Path]) -> str:
    """Name of a table on the page: of the file, after its scenario where there are several."""
    scenario = file.parent.parent.name
    return f"{scenario}: {file.stem}" if len(folders) > 1 and scenario in folders else file.stem


def caption(folder: Path, file: Path) -> str:
    """The caption of a table or figure, which Snakemake's own report shows too; empty where there is none."""
    path = folder / f"{file.parent.name}_{file.stem}.rst"
    return " ".join(path.read_text(encoding="utf-8").split()) if path.is_file() else ""


def run_times(folder: Path, scenarios: Iterable[str]) -> list[dict]:
    """Jobs and wall-clock seconds of each rule in these scenarios, from Snakemake's benchmark files."""
    rows = []
    for rule in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = [file for name in scenarios for file in (rule / name).rglob("*.tsv")]
        if files:
            seconds = sum(pd.read_csv(file, sep="\t", usecols=["s"])["s"].sum() for file in files)
            rows.append({"rule": rule.name, "jobs": len(files), "seconds": float(seconds)})
    return rows


def commit(folder: Path) -> str:
    """The commit of the code in a folder, `-dirty` behind it where files differ; empty without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout.strip()


def judges_words(scores: dict[str, dict], store: Path) -> dict[str, dict[tuple[str, str], list[str]]]:
    """What judges wrote, by judge, by (id, image set), from the exchanges that their rows name, where kept."""
    words: dict[str, dict] = {}
    texts: dict[str, str] = {}
    for metric, rows in scores.items():
        for place, row in rows.items():
            for digest in filter(None, row.get("exchange") or []):
                if digest not in texts:
                    texts[digest] = _text(store, digest)
                if texts[digest]:
                    words.setdefault(metric, {}).setdefault(place, []).append(texts[digest])
    return words


def _text(store: Path, digest: str) -> str:
    try:
        reply = exchange_store.read(store, digest)
    except ValueError:  # damaged: `snakemake verify` names it
        return ""
    return reply.text if reply else ""
