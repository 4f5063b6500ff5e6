"""Overview page of a report site: results, prompts to explore, missing results, tables, and facts of the run."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import write_if_changed
from detailscribe.report import assets, explorer_data
from detailscribe.report.labels import SINGLE, Labels
from detailscribe.report.table_view import TableFile, table_view
from detailscribe.report.templates import PAGES, page_template
from detailscribe.study.stages import ONE_COLUMN
from detailscribe.tables.honest.oracle_cells import DAGGER, MEANING, honest_label
from detailscribe.tables.honest.row_order import lines_of
from detailscribe.tables.markdown_latex import lead_note, phrase_notes

COSTS = ("steps", "calls")  # beside the scores, where the main table has costs
COPIED = ("site.css", "viewer.js", "chart.js", "tables.js", "overview.js", "prompt.js")
# A reason's quote: results that are missing for one reason are counted together.
QUOTED_REPLY = re.compile(r"(of the reply|in the reply|its example): .*")


@dataclass(frozen=True)
class Overview:
    """Content of an overview besides its prompts.

    Attributes:
        title: Of the page.
        notice: Warning at the top of every page; empty for none.
        main: The main table with a scenario column.
        tables: Every table.
        people: Tables of what people rated and compared; empty where nobody did.
        samples: The tables of single scores, one per scenario.
        figures: (caption, SVG file) pairs, the most important one first. Narrow screens get the file of the same name
            in the folder ONE_COLUMN beside it, if there is one.
        dropped: Rows scenario, id, topic, stage, image_set, status, reason.
        runs: Rows rule, jobs, seconds.
        versions: Library versions by name.
        machines: Number of generated images by the machine that made them.
        commit: Of this code; empty where it is unknown.
        config: The configuration as YAML text.
        rule: What the scores of refiners and selections are; empty for a study without.
        labels: What people read in place of names.
    """

    title: str
    notice: str
    main: pd.DataFrame
    tables: list[TableFile] = field(default_factory=list)
    people: list[TableFile] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)
    figures: list[tuple[str, Path]] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    machines: dict[str, int] = field(default_factory=dict)
    commit: str = ""
    config: str = ""
    rule: str = ""
    labels: Labels = field(default_factory=Labels)


def write_overview(site: Path, overview: Overview, data: dict, keep: set[str]) -> None:
    """Write the overview of a site and its figures, tables, styles, scripts and data.

    Args:
        data: Of `explorer_data`.
        keep: The site's other files, relative to it; any further file is removed.
    """
    for name in COPIED:
        write_if_changed(site / name, (PAGES / name).read_text(encoding="utf-8"))
    figures = []
    for number, (caption, path) in enumerate(overview.figures):
        name = f"figures/{number}-{path.name}"
        write_if_changed(site / name, path.read_text(encoding="utf-8"))
        narrow = path.parent / ONE_COLUMN / path.name
        for_phones = f"figures/{number}-{path.stem}-{ONE_COLUMN}.svg" if narrow.is_file() else ""
        if for_phones:
            write_if_changed(site / for_phones, narrow.read_text(encoding="utf-8"))
        figures.append((caption, name, for_phones))
    files = {table.site_path: table.path for table in [*overview.tables, *overview.people]}
    samples = {f"tables/{_sample_name(path, overview.samples)}": path for path in overview.samples}
    for name, path in {**files, **samples}.items():
        assets.link_or_copy(path, site / name)
    explorer_data.write_explorer_data(site, data)
    own = {
        *COPIED,
        "index.html",
        explorer_data.FILE_NAME,
        *(name for _, *names in figures for name in names),
        *files,
        *samples,
    }
    assets.remove_other_files(site, keep | own)
    reasons = Counter(
        (row["stage"], row["image_set"], row["status"], QUOTED_REPLY.sub(r"\1", row["reason"]))
        for row in overview.dropped
    )
    page = page_template("overview.html.j2").render(
        root="",
        notice=overview.notice,
        overview=overview,
        labels=overview.labels,
        figures=figures,
        headlines=_headline_tables(overview.main, overview.labels),
        lead_note=lead_note(overview.main),
        tables=[table_view(table, overview.labels) for table in overview.tables],
        people=[table_view(table, overview.labels) for table in overview.people],
        samples=list(samples),
        dagger=DAGGER,
        meaning=MEANING,
        phrase_notes=phrase_notes(overview.main),
        reasons=reasons.most_common(),
        data=data,
    )
    # Last and always: its mtime tells Snakemake that the site is complete.
    (site / "index.html").write_text(page, encoding="utf-8")


def _sample_name(path: Path, paths: list[Path]) -> str:
    return path.name if len(paths) < 2 else f"{path.parent.parent.name}-{path.name}"


def _headline_tables(main: pd.DataFrame, labels: Labels) -> list[dict]:
    """A table per scenario of the headline rows, with honest rows below those with oracle cells.

    Returns:
        Rows scenario, metrics, costs (whether there are some), counts (prompts by metric, where all rows have as many),
        baseline, and lines. A line has `label`, `title` (the names), `honest` (whether it is a line of honest rows),
        `cells` {metric: row} and `costs` {cost: text}: those under all its metrics, empty if the table has none.
    """
    tables = []
    for scenario, of_scenario in main.groupby("scenario", sort=False):
        rows, _ = lines_of(of_scenario)
        costs = [name for name in COSTS if name in rows]
        lines = []
        for _, of_line in rows.groupby("line", sort=False):
            method, honest = of_line["method"].iloc[0], not of_line["headline"].any()
            cells = {row["metric"]: row for row in of_line.to_dict("records")}
            texts = {name: _range(of_line[name].tolist()) for name in costs}
            chosen = list(dict.fromkeys(of_line["selection"]))
            label = labels.method(method) + (f" {DAGGER}" if of_line["oracle"].any() else "")
            if honest:
                label = honest_label(labels.selection(each) for each in chosen)
            title = method if chosen == [SINGLE] else f"{method}: {' or '.join(chosen)}"
            lines.append({"label": label, "title": title, "honest": honest, "cells": cells, "costs": texts})
        counts = {metric: sorted(set(group["n"])) for metric, group in rows.groupby("metric", sort=False)}
        metrics = labels.sorted_metrics(dict.fromkeys(rows["metric"]))
        baseline = str(rows["baseline"].iloc[0]) if "baseline" in rows and len(rows) else ""
        table = {"scenario": str(scenario), "metrics": metrics, "costs": bool(costs), "lines": lines}
        same = {metric: values[0] for metric, values in counts.items() if len(values) == 1}
        tables.append({**table, "counts": same, "baseline": baseline})
    return tables


def _range(values: list[float]) -> str:
    """`135`, or `2 to 6` where the values differ; a dash where none is known."""
    known = sorted({round(value, 1) for value in values if value == value})
    return " to ".join(f"{value:g}" for value in dict.fromkeys([*known[:1], *known[-1:]])) or "–"
