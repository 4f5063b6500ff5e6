"""Statistics of the main table's rows: means, missingness, comparison with the baseline, and best-of-all counts.

Each function adds columns to the table. `values` is (prompts, rows): one selected score per prompt and table row, NaN
if it is missing or if the prompt is not a complete case. `limits` is (2, rows): lowest and highest possible score, of a
metric without a declared range the observed ones; `bounded` (rows,) says which are declared.
"""

from collections import Counter

import numpy as np
import pandas as pd

from detailscribe.tables import significance
from detailscribe.tables.intervals import EQUAL, mean_intervals
from detailscribe.tables.score_table import ScoreTable

BEST_COLUMNS = ["best_alone", "best_shared", "best_rate", "best_rate_low95", "best_rate_high95"]
CONSTANT = "all differences are equal: dz and detectable are undefined"


def add_means(table: pd.DataFrame, values: np.ndarray, limits: np.ndarray, bounded: np.ndarray) -> None:
    """Number of values, mean with its interval, standard deviation and standard error."""
    table["n"] = (~np.isnan(values)).sum(axis=0)
    table["mean"] = significance.means(values)
    bounds = np.where(bounded, limits, [[-np.inf], [np.inf]])
    table["low95"], table["high95"] = mean_intervals(values, bounds, limits)
    table["sd"] = significance.std(values)
    table["se"] = table["sd"] / np.sqrt(table["n"].where(table["n"] > 0))


def add_missingness(
    table: pd.DataFrame,
    values: np.ndarray,
    known: np.ndarray,
    scores: ScoreTable,
    candidates: list[list[str]],
    limits: np.ndarray,
) -> None:
    """Missing values per row: count, reasons, and worst-case and best-case bounds on the mean.

    Args:
        known: As `values`, with the scores of incomplete prompts.
        candidates: Image sets by table row.
    """
    table["missing"] = len(scores.ids) - table["n"]
    texts: list[str] = []
    lowest: list[float] = []
    highest: list[float] = []
    for index, (selection, metric) in enumerate(zip(table["selection"], table["metric"], strict=True)):
        metrics = [metric, selection.removeprefix("by:")] if selection.startswith("by:") else [metric]
        needed = [selection] if selection in candidates[index] else candidates[index]
        reasons = Counter(
            scores.drop_reasons[prompt] or scores.missing_reason(prompt, metrics, needed)
            for prompt in np.flatnonzero(np.isnan(values[:, index])).tolist()
        )
        texts.append("; ".join(f"{reason}: {count}" for reason, count in reasons.most_common()))
        column = known[:, index]
        for bounds, filler in zip((lowest, highest), limits[:, index], strict=True):
            bounds.append(np.where(np.isnan(column), filler, column).mean() if len(column) else np.nan)
    table["missing_reasons"], table["lowest"], table["highest"] = texts, lowest, highest


def add_comparison(
    table: pd.DataFrame, values: np.ndarray, limits: np.ndarray, bounded: np.ndarray, settings: dict
) -> None:
    """Paired differences from the baseline's headline row of the same metric: interval, test, effect size, wins.

    A difference within EQUAL of the metric's scale is a tie, and counts as 0 everywhere.
    """
    chosen = settings["statistics"]
    table["baseline"] = chosen["baseline"]
    width = limits[1] - limits[0]
    differences = _differences(table, values, chosen["baseline"])
    differences[np.abs(differences) <= EQUAL * np.nan_to_num(width)] = 0
    n = (~np.isnan(differences)).sum(axis=0)
    compared = n > 0
    table["n_pairs"] = n
    table["difference"] = significance.means(differences)
    reach = np.where(bounded, width, np.inf)
    low, high = mean_intervals(differences, np.stack([-reach, reach]), np.stack([-width, width]), paired=True)
    table["difference_low95"], table["difference_high95"] = low, high
    if chosen["test"] == "wilcoxon":
        p = significance.wilcoxon_p(differences)
    else:
        p = significance.sign_flip_p(differences, chosen["permutations"], settings["bootstrap"]["seed"])
    table["p"] = p
    table["p_holm"], table["family"] = _holm_by_family(table, compared)
    std = significance.std(differences)
    constant = std <= EQUAL * np.maximum(np.nan_to_num(width), np.abs(np.nan_to_num(table["difference"])))
    std = np.where(constant, np.nan, std)
    table["dz"] = table["difference"] / std
    table["detectable"] = [significance.detectable_effect(int(count)) for count in n] * std
    table["note"] = np.where(constant, CONSTANT, "")
    for column, outcome in (("wins", differences > 0), ("ties", differences == 0), ("losses", differences < 0)):
        table[column] = np.where(compared, outcome.sum(axis=0), np.nan)
    won = np.where(np.isnan(differences), np.nan, (differences > 0) | (settings["ties_win"] & (differences == 0)))
    table["win_rate"] = significance.means(won)
    table["win_rate_low95"], table["win_rate_high95"] = mean_intervals(won, (0, 1))


def _holm_by_family(table: pd.DataFrame, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted p and size of its family, of each row: headline rows, honest rows, and all others.

    A row that is both counts in both families, and has the numbers of the first. Rows of the baseline that are no
    headline are its other selections, which belong to the others.

    Args:
        table: With `p`.
        compared: (rows,), whether a row has a difference.
    """
    headline = table["headline"].to_numpy(bool)
    honest = table["honest"].to_numpy(bool) & (table["method"] != table["baseline"]).to_numpy(bool)
    p, adjusted, family = table["p"].to_numpy(float), np.full(len(table), np.nan), np.full(len(table), np.nan)
    for members in (~headline & ~honest, honest, headline):  # the last one of a row's families counts
        adjusted[members] = significance.holm(p[members])
        family[members & compared] = (members & compared).sum()
    return adjusted, family


def _differences(table: pd.DataFrame, values: np.ndarray, baseline: str) -> np.ndarray:
    """(prompts, rows), NaN for the baseline's own headline row."""
    of_baseline = table[(table["method"] == baseline) & table["headline"]]
    row_of_metric = dict(zip(of_baseline["metric"], of_baseline.index, strict=True))
    differences = np.full_like(values, np.nan)
    for index, metric in enumerate(table["metric"]):
        other = row_of_metric.get(metric)
        if other is not None and other != index:
            differences[:, index] = values[:, index] - values[:, other]
    return differences


def add_best_counts(
    table: pd.DataFrame, values: np.ndarray, limits: np.ndarray, family: list[str], ties_win: bool
) -> None:
    """BEST_COLUMNS of the headline rows of `family`: how often each is the best of these, for each metric."""
    counts = np.full((len(BEST_COLUMNS), len(table)), np.nan)
    for metric in dict.fromkeys(table["metric"]):
        member = (table["metric"] == metric) & table["headline"] & table["method"].isin(family)
        rows = np.flatnonzero(member)
        if len(rows):
            width = np.nan_to_num(limits[1, rows[0]] - limits[0, rows[0]])
            alone, shared, won = best_of_each(values[:, rows], width, ties_win)
            if not np.isnan(won).all():
                sums = np.nansum(alone, axis=0), np.nansum(shared, axis=0), significance.means(won)
                counts[:, rows] = *sums, *mean_intervals(won, (0, 1))
    table[BEST_COLUMNS] = counts.T


def best_of_each(values: np.ndarray, width: float, ties_win: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which columns are the highest of their row: alone, with others, and as a win; NaN in rows that lack a value.

    Args:
        values: (prompts or ratings, columns).
        width: Of the scale; values within EQUAL of it are tied.
        ties_win: Whether a shared best is a win.
    """
    complete = ~np.isnan(values).any(axis=1, keepdims=True)
    best = values >= values.max(axis=1, keepdims=True) - EQUAL * width
    alone = best & (best.sum(axis=1, keepdims=True) == 1)
    won = best if ties_win else alone
    one, several, win = (np.where(complete, each, np.nan) for each in (alone, best & ~alone, won))
    return one, several, win
