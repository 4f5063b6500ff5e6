"""Inputs of the report: rows of a scenario's stages, judge replies, tables and figures with captions."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.manifest import read_manifest
from detailscribe.llm.exchange_store import recorded_reply
from detailscribe.report.labels import Labels, labels_of
from detailscribe.report.overview import Overview
from detailscribe.report.prompt_story import ScenarioResults
from detailscribe.report.provenance import (
    git_commit,
    public_config,
    recorded_machines,
    recorded_versions,
    run_times,
)
from detailscribe.report.table_view import TableFile
from detailscribe.study.stages import KEY_OF_FOLDER
from detailscribe.tables.score_table import scores_by_metric

HUMAN = "human"  # folder of the tables of people's ratings and choices
# Of a study with refiners or selections, after what the overview says of the paper's methods.
SELECTION_RULE = (
    "A refiner with several image sets reports the best of them per metric, too; a selection the image that it chose."
)


class ScenarioFiles(Protocol):
    """Outputs of a scenario's stages; all but the first are lists of files."""

    prompts: str
    decompositions: Sequence[str]
    critiques: Sequence[str]
    rewrites: Sequence[str]
    manifests: Sequence[str]
    scores: Sequence[str]
    audits: Sequence[str]
    selections: Sequence[str]
    dropped: Sequence[str]
    ratings: Sequence[str]
    choices: Sequence[str]


class OverviewFiles(Protocol):
    """Files that an overview shows."""

    main: Sequence[str]
    tables: Sequence[str]
    samples: Sequence[str]
    people: Sequence[str]
    figures: Sequence[str]
    dropped: Sequence[str]


def read_scenario(name: str, files: ScenarioFiles, parameters: dict, store: Path) -> ScenarioResults:
    """Everything about a scenario's prompts.

    Args:
        parameters: `methods`, `critics` with name and candidates, those of `oracle_settings` and of
            `labels_parameters`; `refiners` and `ranks`, if the study has some.
        store: The exchange store, for the judges' replies.
    """
    decompositions: dict[str, dict] = {}
    for path in map(Path, files.decompositions):
        decompositions.update(rows_by_id(path))
    critiques: dict[str, dict[str, dict]] = {}
    for path in map(Path, files.critiques):
        critiques.setdefault(path.parent.name, {}).update(rows_by_id(path))
    rewrites: dict[str, dict[str, dict]] = {}
    for path in map(Path, files.rewrites):
        rewrites.setdefault(path.parent.name, {}).update(rows_by_id(path))
    images: dict[str, dict[str, dict]] = {}
    for path in map(Path, files.manifests):
        images.setdefault(path.parent.name, {}).update(read_manifest(path))
    scores = {
        metric: {(row["id"], row["image_set"]): row for row in rows}
        for metric, rows in scores_by_metric(files.scores).items()
    }
    labels = labels_of(parameters)
    scores = {metric: scores[metric] for metric in labels.sorted_metrics(scores)}
    audits: dict[str, list[dict]] = {}
    for path in map(Path, files.audits):
        audits.setdefault(path.parent.name, []).extend(read_rows(path, KEY_OF_FOLDER["audits"]))
    selections: dict[str, dict[str, dict]] = {}
    for path in map(Path, files.selections):
        selections.setdefault(path.parent.name, {}).update(read_manifest(path))
    return ScenarioResults(
        name=name,
        prompts=read_rows(Path(files.prompts)),
        decompositions=decompositions,
        critiques=critiques,
        images=images,
        scores=scores,
        judge_replies=read_judge_replies(scores, store),
        unread_replies=read_unread_replies({"decompose": decompositions, **rewrites}, store),
        ratings=[row for path in files.ratings for row in pd.read_csv(path).to_dict("records")],
        dropped=[row for path in files.dropped for row in _read_tsv(path)],
        methods=parameters["methods"],
        critics={row["name"]: row["candidates"] for row in parameters["critics"]},
        looked_at={row["name"]: row["of"] for row in parameters["critics"] if "of" in row},
        refiners=parameters.get("refiners", []),
        selections=selections,
        ranks=parameters.get("ranks", {}),
        audits=audits,
        choices=[row for path in files.choices for row in pd.read_csv(path).to_dict("records")],
        labels=labels,
        oracle_settings={key: parameters[key] for key in ("selector", "on_the_way") if key in parameters},
    )


def read_judge_replies(
    scores: dict[str, dict[tuple[str, str], dict]], store: Path
) -> dict[str, dict[tuple[str, str], list[str]]]:
    """Texts by judge, by (id, image set), of the exchanges that score rows name, as far as the store has them."""
    replies: dict[str, dict[tuple[str, str], list[str]]] = {}
    texts: dict[str, str] = {}
    for metric, rows in scores.items():
        for image, row in rows.items():
            for digest, part in _exchanges_of(row):
                if digest not in texts:
                    texts[digest] = _reply_text(store, digest)
                if texts[digest]:
                    text = f"{part}: {texts[digest]}" if part else texts[digest]
                    replies.setdefault(metric, {}).setdefault(image, []).append(text)
    return replies


def _exchanges_of(row: dict) -> list[tuple[str, str]]:
    """Exchanges that a score row names, each with the part that it is about; empty for a judge of whole images."""
    digests, parts = row.get("exchange") or [], row.get("parts") or [{"text": ""}]
    draws = max(1, len(digests) // len(parts))
    return [(digest, parts[number // draws]["text"]) for number, digest in enumerate(digests) if digest]


def read_unread_replies(rows: dict[str, dict[str, dict]], store: Path) -> dict[str, dict[str, str]]:
    """Whole replies by step, by id, of the rows that are not ok, as far as the store has them.

    Args:
        rows: Rows by id, by the name of their step.
    """
    replies = {
        name: {
            id: text
            for id, row in by_id.items()
            if row["status"] != "ok" and row.get("exchange") and (text := _reply_text(store, row["exchange"]))
        }
        for name, by_id in rows.items()
    }
    return {name: texts for name, texts in replies.items() if texts}


def read_overview(
    title: str,
    notice: str,
    files: OverviewFiles,
    folders: dict[str, Path],
    manifests: Iterable[dict[str, dict]],
    captions: Path,
    code: Path,
    config: dict,
    labels: Labels,
) -> Overview:
    """An overview of one scenario or several.

    Args:
        title: Of the page.
        notice: Warning at the top; empty for none.
        folders: Results folder of each scenario.
        manifests: Manifest rows by id, of each manifest: they name library versions and machines.
        captions: Folder of the captions of tables and figures.
        code: Folder of the code, for its commit.
        config: The configuration.
        labels: What people read in place of names.
    """
    rows = [row for by_id in manifests for row in by_id.values()]
    return Overview(
        title=title,
        notice=notice,
        main=pd.concat(_with_scenario(Path(path)) for path in files.main),
        tables=[_table(Path(path), folders, captions) for path in [*files.main, *files.tables]],
        people=[_table(Path(path), folders, captions) for path in files.people],
        samples=[Path(path) for path in files.samples],
        labels=labels,
        figures=[(read_caption(captions, Path(path)), Path(path)) for path in files.figures],
        dropped=[{"scenario": Path(path).parent.name, **row} for path in files.dropped for row in _read_tsv(path)],
        runs=run_times(Path("benchmarks"), folders),
        versions=recorded_versions(rows),
        machines=recorded_machines(rows),
        commit=git_commit(code),
        config=public_config(config),
        rule=SELECTION_RULE if config.get("refiners") or config.get("selections") else "",
    )


def read_caption(folder: Path, file: Path) -> str:
    """The caption of a table or figure, which Snakemake's own report shows too; empty where there is none."""
    path = folder / f"{file.parent.name}_{file.stem}.rst"
    return " ".join(path.read_text(encoding="utf-8").split()) if path.is_file() else ""


def _with_scenario(path: Path) -> pd.DataFrame:
    """The main table of a scenario, or of all of them (results/tables/pooled.csv), with a scenario column in front."""
    table = pd.read_csv(path)
    table.insert(0, "scenario", "all prompts" if path.stem == "pooled" else path.parent.parent.name)
    return table


def _table(path: Path, folders: dict[str, Path], captions: Path) -> TableFile:
    """A table with its title: its file's name, after its scenario where there are several."""
    folder, scenario = path.parent.name, path.parent.parent.name
    name = f"{folder}/{path.stem}" if folder == HUMAN else path.stem
    title = f"{scenario}: {name}" if len(folders) > 1 and scenario in folders else name
    try:
        rows = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        rows = pd.DataFrame()
    return TableFile(name, title, read_caption(captions, path), path, rows)


def _read_tsv(path: str | Path) -> list[dict]:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE).to_dict("records")


def _reply_text(store: Path, digest: str) -> str:
    try:
        reply = recorded_reply(store, digest)
    except ValueError:  # damaged: `snakemake verify` names it
        return ""
    return reply.text if reply else ""
