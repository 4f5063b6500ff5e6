"""Overview page of a report site: results, prompts to explore, missing results, tables, and facts of the run."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import write_if_changed
from detailscribe.report import assets, explorer_data
from detailscribe.report.templates import PAGES, page_template
from detailscribe.tables.honest.oracle_cells import DAGGER, MEANING
from detailscribe.tables.honest.row_order import lines_of
from detailscribe.tables.markdown_latex import lead_note, phrase_notes

COSTS = ("steps", "calls")  # beside the scores, where the main table has costs
COPIED = ("site.css", "overview.js", "prompt.js")
# A reason's quote: results that are missing for one reason are counted together.
QUOTED_REPLY = re.compile(r"(of the reply|in the reply|its example): .*")


@dataclass(frozen=True)
class Overview:
    """Content of an overview besides its prompts.

    Attributes:
        title: Of the page.
        notice: Warning at the top of every page; empty for none.
        main: The main table with a scenario column.
        tables: (title, caption, rows) of every table.
        figures: (caption, SVG file) pairs.
        dropped: Rows scenario, id, topic, stage, image_set, status, reason.
        runs: Rows rule, jobs, seconds.
        versions: Library versions by name.
        machines: Number of generated images by the machine that made them.
        commit: Of this code; empty where it is unknown.
        config: The configuration as YAML text.
        rule: What the scores of refiners and selections are; empty for a study without.
    """

    title: str
    notice: str
    main: pd.DataFrame
    tables: list[tuple[str, str, pd.DataFrame]] = field(default_factory=list)
    figures: list[tuple[str, Path]] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    machines: dict[str, int] = field(default_factory=dict)
    commit: str = ""
    config: str = ""
    rule: str = ""


def write_overview(site: Path, overview: Overview, data: dict, keep: set[str]) -> None:
    """Write the overview of a site and its figures, styles, scripts and data.

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
        figures.append((caption, name))
    explorer_data.write_explorer_data(site, data)
    own = {*COPIED, "index.html", explorer_data.FILE_NAME, *(name for _, name in figures)}
    assets.remove_other_files(site, keep | own)
    reasons = Counter(
        (row["stage"], row["image_set"], row["status"], QUOTED_REPLY.sub(r"\1", row["reason"]))
        for row in overview.dropped
    )
    page = page_template("overview.html.j2").render(
        root="",
        notice=overview.notice,
        overview=overview,
        figures=figures,
        headlines=_headline_tables(overview.main),
        lead_note=lead_note(overview.main),
        marked=[_marked_column(rows) for _, _, rows in overview.tables],
        dagger=DAGGER,
        meaning=MEANING,
        phrase_notes=phrase_notes(overview.main),
        reasons=reasons.most_common(),
        data=data,
    )
    # Last and always: its mtime tells Snakemake that the site is complete.
    (site / "index.html").write_text(page, encoding="utf-8")


def _headline_tables(main: pd.DataFrame) -> list[tuple]:
    """(scenario, metrics, has costs, lines) of the headline rows, with honest rows below those with oracle cells.

    A line has `label`, `honest` (whether it is a line of honest rows), `cells` {metric: row} and `costs` {cost: text}:
    those under all its metrics, empty if the table has none.
    """
    tables = []
    for scenario, of_scenario in main.groupby("scenario", sort=False):
        rows, labels = lines_of(of_scenario)
        costs = [name for name in COSTS if name in rows]
        lines = []
        for number, label in enumerate(labels):
            of_line = rows[rows["line"] == number]
            texts = {name: _range(of_line[name].tolist()) for name in costs}
            cells = {row["metric"]: row for row in of_line.to_dict("records")}
            lines.append({"label": label, "honest": not of_line["headline"].any(), "cells": cells, "costs": texts})
        tables.append((str(scenario), list(dict.fromkeys(rows["metric"])), bool(costs), lines))
    return tables


def _marked_column(rows: pd.DataFrame) -> str:
    """The column of a table whose values get a dagger where its column `oracle` is true; empty for none."""
    if "oracle" not in rows or rows["oracle"].dtype != bool:  # of tables/optimism.csv it is a score
        return ""
    return next((name for name in ("mean", "ours") if name in rows), "")


def _range(values: list[float]) -> str:
    """`135`, or `2 to 6` where the values differ; a dash where none is known."""
    known = sorted({round(value, 1) for value in values if value == value})
    return " to ".join(f"{value:g}" for value in dict.fromkeys([*known[:1], *known[-1:]])) or "–"
