"""Files and printed text of `snakemake power`: results/power.csv, power.svg and power.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detailscribe.files.rows import write_csv
from detailscribe.operations.power.paired_power import family_level
from detailscribe.operations.power.power_figure import plot_power
from detailscribe.operations.power.power_table import COLUMNS, DEFAULTS, OWN, Goal, power_rows
from detailscribe.operations.power.prices import rating_hours, read_prices
from detailscribe.operations.power.study_data import Basis, read_basis
from detailscribe.study.study import Study
from detailscribe.tables.figures.look import Look, look_parameters
from detailscribe.tables.figures.saving import save_figures

COARSE, ENOUGH = 0.8, 30  # share of the level that permutations leave; patterns below it, of enough permutations
MOST_LINES = 40  # of the printed table
HEADER = ["design", "metric", "method", "difference", "sd", "repeats", "n", "power", "prompts", "by people"]
HEADER += ["dollars", "hours"]


def write_power(
    study: Study,
    parameters: dict[str, dict],
    results: Path = Path("results"),
    store: Path = Path("resources/exchanges"),
) -> list[str]:
    """Plan the study's comparisons, write power.csv, power.svg and power.png, and say what they hold.

    Args:
        study: The study.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
        store: Folder of the exchanges.

    Returns:
        Lines of text.

    Raises:
        InputError: the source that the configuration names cannot be used.
    """
    settings = DEFAULTS | study.config.get("power", {})
    basis = read_basis(study, settings, results)
    goal = Goal(settings, study.config["statistics"], basis.prompts_of, basis.published)
    prices, seconds = read_prices(study, parameters, results, store), settings["rating_s"]
    rows = power_rows(
        basis.comparisons,
        goal,
        prices.usd_per_prompt,
        lambda comparison, raters: rating_hours(study, comparison, raters, seconds),
    )
    results.mkdir(parents=True, exist_ok=True)
    columns = [*COLUMNS, *(f"detectable_{count}" for count in settings["prompts"])]
    write_csv(results / "power.csv", columns, rows)
    look = Look.of(look_parameters(study))
    save_figures([results / "power.svg", results / "power.png"], look, plot_power, basis.comparisons, goal)
    return power_report(rows, basis, goal, study)


def power_report(rows: Sequence[dict], basis: Basis, goal: Goal, study: Study) -> list[str]:
    """Lines of text: what the plan stands on, its table, and what it cannot say."""
    settings = goal.settings
    others = "no other comparison differs" if settings["others"] == "none" else "all comparisons differ as much"
    shown = [row for row in rows if row[OWN]]
    text = [
        f"Planned from {basis.source}, for {settings['power']:.0%} power after Holm's correction, if {others}.",
        "",
        *_table(shown[:MOST_LINES]),
    ]
    if len(rows) > len(shown[:MOST_LINES]):
        text.append(f"... and {len(rows) - len(shown[:MOST_LINES])} more rows")
    text.append("")
    if basis.unknown:
        text.append(
            f"No spread is published for {', '.join(basis.unknown)}: run a pilot, or give a table (power: source)."
        )
    for family in sorted({row["family"] for row in rows}):
        level = family_level(family, settings["power"], settings["others"])
        if min(row["level"] for row in rows if row["family"] == family) < COARSE * level:
            text.append(
                f"{goal.statistics['permutations']} permutations are too few for {family} comparisons, and cost power: "
                f"set statistics: permutations: {round(ENOUGH / level, -3):.0f}."
            )
    text.append("All rows, with intervals, prices and notes: results/power.csv; curves: results/power.svg and .png.")
    return text


def _table(rows: Sequence[dict]) -> list[str]:
    several = len({row["scenario"] for row in rows}) > 1
    cells = [[*(["scenario"] if several else []), *HEADER]]
    for row in rows:
        metric = " + ".join(filter(None, (row["metric"], row["judge"])))
        repeats = row["raters"] if row["draws"] is None else row["draws"]
        cells.append(
            [
                *([row["scenario"] or "-"] if several else []),
                *(row["design"], metric, _method(row), _text(row["difference"], ".3g"), _text(row["sd"], ".3g")),
                *(_text(repeats, "g"), _text(row["n"], "d"), _text(row["power_now"], ".0%")),
                *(_text(row["prompts"], ",d"), _text(row["human_prompts"], ",d")),
                *(_text(row["usd"], ",.2f"), _text(row["hours"], ",.1f")),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _method(row: dict) -> str:
    return " ".join(filter(None, (row["method"], row["selection"] if row["selection"] != "single" else "")))


def _text(value: float | int | None, form: str) -> str:
    return "-" if value is None else format(value, form)
