"""Comparisons to plan from, of a results folder (pilot, unfinished or finished study), published numbers or a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detailscribe.errors import InputError
from detailscribe.files.rows import read_rows, read_score_rows
from detailscribe.files.table_reader import read_table
from detailscribe.operations.power import assumed, user_table
from detailscribe.operations.power.comparisons import (
    HUMAN,
    PILOT,
    PUBLISHED,
    Comparison,
    compare_means,
    compare_pairs,
    compare_ratings,
)
from detailscribe.prompts.prompt_file import read_prompts
from detailscribe.scores.metric_facts import score_ranges
from detailscribe.study.judging.human_pairs import human_pair_parameters
from detailscribe.study.judging.pair_schedule import BALANCED, compared_methods, schedule_of, scheduled_pairs
from detailscribe.study.methods import rated_methods
from detailscribe.study.study import Study
from detailscribe.tables import published as paper
from detailscribe.tables.honest.oracle_cells import oracle_settings
from detailscribe.tables.published import POOLED
from detailscribe.tables.score_table import ScoreTable, read_scores, score_frame

AUTO = "auto"


@dataclass(frozen=True)
class Basis:
    """What a plan stands on.

    Attributes:
        comparisons: Of one source.
        source: In words.
        prompts_of: Prompts of each scenario that are known; "" and POOLED: of the whole study.
        published: Published differences of DetailScribe by metric of the study.
        unknown: Metrics of which no spread is known.
    """

    comparisons: list[Comparison]
    source: str
    prompts_of: dict[str, int]
    published: dict[str, float]
    unknown: list[str]


def read_basis(study: Study, settings: Mapping, results: Path) -> Basis:
    """The comparisons of the first source that has any, or of the configured one.

    Args:
        study: The study.
        settings: The config's `power`, complete.
        results: Its results folder.

    Raises:
        InputError: the configured source has nothing to plan from, or a table of the user's has an error.
    """
    source, baseline = settings["source"], study.config["statistics"]["baseline"]
    rows = paper.read_published(study.resolve(paper.PUBLISHED))
    modules = _modules(study)
    of_paper = assumed.published_differences(rows, "detailscribe", "sd")
    published = {metric: of_paper[module] for metric, (module, _) in modules.items() if module in of_paper}
    prompts_of = _prompts_of(study, results)
    tabled, rated = _family(study)
    if source in (AUTO, PILOT):
        found = _of_results(study, results, baseline)
        if found:
            names = ", ".join(dict.fromkeys(each.scenario for each in found))
            return Basis(found, f"the results in this folder ({names})", prompts_of, published, [])
        if source == PILOT:
            raise InputError(
                "power: source: no scenario of the study has scores or ratings of three prompts here yet; run "
                "`snakemake pilot`, or use `source: published`"
            )
    correlation, pairs = settings["correlation"], _pairs_compared(study)
    if source in (AUTO, PUBLISHED):
        spreads = assumed.published_spreads(study.resolve(assumed.SPREADS))
        found, unknown = assumed.published_comparisons(
            rows, spreads, modules, pairs, baseline, correlation, tabled, rated
        )
        return Basis(found, "published numbers and assumptions (column note)", prompts_of, published, unknown)
    table = user_table.table_comparisons(study.resolve(source), modules, pairs, baseline, correlation, tabled, rated)
    return Basis(table, source, prompts_of, published, [])


def _modules(study: Study) -> dict[str, tuple[str, list[float] | None]]:
    """Module, or model of a judge as `judge-{model}`, and range of each column of the tables."""
    ranges = score_ranges(study)
    modules = {name: entry["module"] for name, entry in study.config["metrics"].items()}
    for judge in study.judging.values():
        modules |= dict.fromkeys(judge.metrics, f"judge-{judge.entry['model']}")
    return {name: (modules[name], ranges.get(name)) for name in study.metrics if name in modules}


def _family(study: Study) -> tuple[int, int]:
    """Comparisons of a finished main table, and of the rated methods."""
    rated = [method for method in rated_methods(study) if method.candidates]
    return (len(study.methods()) - 1) * len(study.metrics), max(len(rated) - 1, 0)


def _prompts_of(study: Study, results: Path) -> dict[str, int]:
    counts = {}
    for scenario in study.config["study"]:
        listed, source = results / scenario / "prompts.jsonl", study.source(scenario)
        if listed.is_file():
            counts[scenario] = len(read_rows(listed))
        elif source.is_file():
            counts[scenario] = len(read_prompts(source))
    if len(counts) == len(study.config["study"]):
        counts |= dict.fromkeys(("", POOLED), sum(counts.values()))
    return counts


def _of_results(study: Study, results: Path, baseline: str) -> list[Comparison]:
    """Comparisons of each scenario with scores or ratings, and of all together if there are several."""
    methods = [vars(method) for method in study.methods()]
    rated = [vars(method) for method in rated_methods(study)]
    ranges, oracles = score_ranges(study), oracle_settings(study)
    found: list[Comparison] = []
    frames = {}
    for scenario in study.config["study"]:
        folder = results / scenario
        frame = _scores(study, folder)
        scores = None if frame is None else _table(study, frame)
        if frame is not None and scores is not None:
            frames[scenario] = frame
            found += compare_means(scenario, scores, methods, baseline, ranges, oracles)
        ratings = folder / "human" / "ratings.csv"
        if ratings.is_file():
            marks = [row for row in _numbered(ratings, ("rater", "id", "image_set"), "rating") if row["rating"]]
            found += compare_ratings(scenario, marks, rated, baseline, scores, methods)
        for judge, rows in _pairs(study, folder).items():
            found += compare_pairs(scenario, rows, baseline, judge)
    if len(frames) > 1:
        pooled = [frame.assign(id=name + "/" + frame["id"]) for name, frame in frames.items()]
        table = _table(study, pd.concat(pooled, ignore_index=True))
        found += compare_means(POOLED, table, methods, baseline, ranges, oracles)
    return found


def _table(study: Study, frame: pd.DataFrame) -> ScoreTable:
    present = set(frame["metric"])
    return ScoreTable(frame, [metric for metric in study.metrics if metric in present])


def _scores(study: Study, folder: Path) -> pd.DataFrame | None:
    """Scores of a scenario: of its table, or of the shards that are scored so far; None if there are none."""
    table = folder / "tables" / "scores.csv"
    if table.is_file():
        return read_scores(table)
    scores = {
        metric: [row for file in sorted((folder / "scores" / metric).glob("*.jsonl")) for row in read_score_rows(file)]
        for metric in study.metrics
    }
    scores = {metric: rows for metric, rows in scores.items() if rows}
    if not scores:
        return None
    ids = dict.fromkeys(row["id"] for rows in scores.values() for row in rows)
    return score_frame([{"id": id} for id in ids], set(ids), [], scores)


def _numbered(path: Path, texts: Sequence[str], number: str) -> list[dict]:
    """Rows of a table with a column of numbers; an empty cell is None."""
    rows = []
    for line, row in read_table(path, [(name,) for name in (*texts, number)]):
        try:
            rows.append(row | {number: float(row[number]) if row[number].strip() else None})
        except ValueError:
            raise InputError(f"{path}, line {line}: {number} is {row[number][:40]!r}, no number") from None
    return rows


def _pairs(study: Study, folder: Path) -> dict[str, list[dict]]:
    """Rows of pairs by judge, and of people."""
    found = {}
    for name in study.judges_asked("pairs"):
        rows = [row for file in sorted((folder / "pairs" / name).glob("*.jsonl")) for row in read_rows(file)]
        found[name] = rows
    chosen = folder / "human" / "pairs.csv"
    if chosen.is_file():
        rows = _numbered(chosen, ("id", "first", "second"), "value")
        found[HUMAN] = rows
    return {name: rows for name, rows in found.items() if rows}


def _pairs_compared(study: Study) -> dict[str, int]:
    """Comparisons in the table of each judge of pairs, and of people if at least two methods are shown to them."""
    people = human_pair_parameters(study)
    schedules = {
        judge: ([method.name for method in compared_methods(study, judge)], schedule_of(study, judge))
        for judge in study.judges_asked("pairs")
    } | {HUMAN: ([method["name"] for method in people["methods"] if method["candidates"]], people["schedule"])}
    return {name: _count(*each) for name, each in schedules.items() if len(each[0]) > 1}


def _count(methods: list[str], schedule: Mapping) -> int:
    if schedule["kind"] == BALANCED:
        return len(methods) * (len(methods) - 1) // 2
    return len(scheduled_pairs("planned", methods, schedule))
