"""Main result table: for each method and metric the mean under every selection among the method's images.

The released code reports, for its own method, the best of four candidates under the reported metric (`oracle`). The
table shows beside it each candidate alone, their mean, and the candidate that another metric selects (`by:{metric}`).
A score that the metric shown selected is an oracle cell. One honest row stands for each method, and only a sure lead
among these rows is bold (`honest/`). Every number is defined in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import write_frame
from detailscribe.scores.metric_facts import score_ranges
from detailscribe.study.judging.judges import scorer_of
from detailscribe.study.methods import best_of
from detailscribe.study.notices import study_notice
from detailscribe.study.study import Study
from detailscribe.tables.honest.oracle_cells import honest_selection, is_oracle, oracle_settings

if TYPE_CHECKING:
    import pandas as pd

    from detailscribe.tables.score_table import ScoreTable

STAGE = "tabulate"
ALGORITHM = 4


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    costs = {"costs": True} if study.budget["in_tables"] else {}
    return {"tabulate": table_settings(study) | costs}


def table_settings(study: Study) -> dict:
    """Settings of a table of scores, of one scenario or pooled."""
    config = study.config
    return {
        "methods": [vars(method) for method in study.methods()],
        "metrics": study.metrics,
        "bootstrap": config["bootstrap"],
        "statistics": config["statistics"],
        "best_of": best_of(study),
        "ranges": score_ranges(study),
        "ties_win": config["quirks"]["ties_win"],
        "notice": study_notice(study),
        **oracle_settings(study),
    }


MAIN_COLUMNS = [
    *("method", "selection", "metric", "n", "mean", "low95", "high95", "headline", "oracle", "honest", "sd", "se"),
    *("missing", "missing_reasons", "lowest", "highest"),
    *("baseline", "n_pairs", "difference", "difference_low95", "difference_high95", "p", "p_holm", "family"),
    *("wins", "ties", "losses", "win_rate", "dz", "detectable", "best_alone", "best_shared", "best_rate"),
    *("win_rate_low95", "win_rate_high95", "best_rate_low95", "best_rate_high95"),
    *("next_best", "lead", "lead_low95", "lead_high95", "leads", "note"),
]
INTEGER_COLUMNS = ["n", "missing", "n_pairs", "family", "wins", "ties", "losses", "best_alone", "best_shared"]
OTHER_COLUMNS = [  # text and bool
    *("method", "selection", "metric", "headline", "oracle", "honest", "missing_reasons", "baseline"),
    *("next_best", "leads", "note"),
]


def tabulate(scores: ScoreTable, methods: list[dict], settings: dict) -> pd.DataFrame:
    """The main table over the prompts that have every image of every method.

    Args:
        scores: Of the scenario.
        methods: Rows: name, candidates, headline.
        settings: `bootstrap` {seed}; `statistics` {baseline, test, permutations}; `ranges` {metric: [low, high] or
            null}; `best_of`, the methods among which the best is counted; `ties_win`, whether a tie counts as a win;
            `selector`, and `on_the_way` if there is some (`oracle_settings`).

    Returns:
        Rows with MAIN_COLUMNS; NaN where a number cannot be computed.
    """
    import numpy as np
    import pandas as pd

    from detailscribe.tables import row_statistics
    from detailscribe.tables.honest.lead import add_lead
    from detailscribe.tables.selection import select_scores, selections

    keys, candidates, columns = [], [], []
    for method in methods:
        names = list(method["candidates"])
        arrays = {metric: scores.array(metric, names) for metric in scores.metrics}
        on_the_way = settings.get("on_the_way", {}).get(method["name"], ())
        for metric in scores.metrics:
            honest = honest_selection(method, metric, scores.metrics, settings)
            for selection in selections(method, metric, scores.metrics):
                marks = is_oracle(selection, metric, on_the_way), selection == honest
                keys.append((method["name"], selection, metric, selection == method["headline"], *marks))
                candidates.append(names)
                columns.append(select_scores(arrays[metric], selection, names, arrays))
    table = pd.DataFrame(keys, columns=["method", "selection", "metric", "headline", "oracle", "honest"])
    known = np.array(columns).reshape(len(keys), len(scores.ids)).T  # also of prompts that another method lacks
    values = np.where(scores.complete[:, None], known, np.nan)
    ranges = settings["ranges"]
    limits_of = {metric: scores.limits(metric, ranges) for metric in scores.metrics}
    limits = np.array([limits_of[metric] for metric in table["metric"]], dtype=float).reshape(-1, 2).T
    bounded = np.array([bool(ranges.get(metric)) for metric in table["metric"]], dtype=bool)
    row_statistics.add_means(table, values, limits, bounded)
    row_statistics.add_missingness(table, values, known, scores, candidates, limits)
    row_statistics.add_comparison(table, values, limits, bounded, settings)
    row_statistics.add_best_counts(table, values, limits, settings["best_of"], settings["ties_win"])
    add_lead(table, values, limits, bounded)
    numbers = [name for name in MAIN_COLUMNS if name not in OTHER_COLUMNS]
    return table[MAIN_COLUMNS].astype({name: "Int64" if name in INTEGER_COLUMNS else float for name in numbers})


def tabulate_strata(scores: ScoreTable, methods: list[dict], settings: dict) -> pd.DataFrame:
    """The main table of each stratum, with a leading column `stratum`; no row if the prompts have no strata."""
    import pandas as pd

    strata = sorted(set(scores.strata) - {""})
    tables = {name: tabulate(scores.of_stratum(name), methods, settings) for name in strata}
    if not tables:
        return pd.DataFrame(columns=["stratum", *MAIN_COLUMNS])
    return pd.concat(tables, names=["stratum"]).reset_index("stratum")


def write_companion_files(
    outputs: Mapping[str, str], scores: ScoreTable, table: pd.DataFrame, settings: dict, title: str
) -> None:
    """Write the files beside a main table: optimism, agreement of judges, Markdown and LaTeX.

    Args:
        outputs: Paths by name: optimism, judges, markdown, latex.
        scores: Scores that the table was made from.
        table: The main table.
        settings: Parameters of the table (`table_settings`).
        title: Of the Markdown and LaTeX tables.
    """
    from detailscribe.tables.judge_agreement import judge_agreement
    from detailscribe.tables.markdown_latex import to_latex, to_markdown
    from detailscribe.tables.selection import selection_bias

    metrics = settings["metrics"]
    judges = [each for each in metrics if each.startswith("judge-") and scorer_of(each, metrics) == each]
    bootstrap, ranges, notice = settings["bootstrap"], settings["ranges"], settings["notice"]
    write_frame(Path(outputs["optimism"]), selection_bias(scores, settings["methods"], ranges, bootstrap))
    write_frame(Path(outputs["judges"]), judge_agreement(scores, judges, table, ranges))
    write_text(Path(outputs["markdown"]), to_markdown(table, title, notice, settings))
    write_text(Path(outputs["latex"]), to_latex(table, title, notice, settings))
