"""Statistics of the main table's rows: means, missingness, comparison with the baseline, and best-of-all counts.

Each function adds columns to the table. `values` is (prompts, rows): one selected score per prompt and table row, NaN
if it is missing or if the prompt is not a complete case.
"""

from collections import Counter

import numpy as np
import pandas as pd

from detailscribe.tables import significance
from detailscribe.tables.score_table import ScoreTable


def add_means(table: pd.DataFrame, values: np.ndarray, bootstrap: dict) -> None:
    """Number of values, mean with its interval, standard deviation and standard error."""
    table["n"] = (~np.isnan(values)).sum(axis=0)
    table["mean"] = significance.means(values)
    table["low95"], table["high95"] = significance.bootstrap_intervals(values, **bootstrap)
    table["sd"] = significance.std(values)
    table["se"] = table["sd"] / np.sqrt(table["n"].where(table["n"] > 0))


def add_missingness(
    table: pd.DataFrame,
    values: np.ndarray,
    known: np.ndarray,
    scores: ScoreTable,
    candidates: list[list[str]],
    ranges: dict[str, list[float] | None],
) -> None:
    """Missing values per row: count, reasons, and worst-case and best-case bounds on the mean.

    Args:
        known: As `values`, with the scores of incomplete prompts.
        candidates: Image sets by table row.
        ranges: Lowest and highest possible score by metric, None for unbounded: the observed range is used.
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
        worst, best = ranges.get(metric) or scores.observed_range(metric)
        for bounds, filler in ((lowest, worst), (highest, best)):
            bounds.append(np.where(np.isnan(column), filler, column).mean() if len(column) else np.nan)
    table["missing_reasons"], table["lowest"], table["highest"] = texts, lowest, highest


def add_comparison(table: pd.DataFrame, values: np.ndarray, settings: dict) -> None:
    """Paired differences from the baseline's headline row of the same metric: interval, test, effect size, wins."""
    chosen, bootstrap = settings["statistics"], settings["bootstrap"]
    table["baseline"] = chosen["baseline"]
    differences = _differences(table, values, chosen["baseline"])
    n = (~np.isnan(differences)).sum(axis=0)
    compared = n > 0
    table["n_pairs"] = n
    table["difference"] = significance.means(differences)
    low, high = significance.bootstrap_intervals(differences, **bootstrap)
    table["difference_low95"], table["difference_high95"] = low, high
    if chosen["test"] == "wilcoxon":
        p = significance.wilcoxon_p(differences)
    else:
        p = significance.sign_flip_p(differences, chosen["permutations"], bootstrap["seed"])
    headline = table["headline"].to_numpy(bool)
    adjusted, family = np.full(len(p), np.nan), np.full(len(p), np.nan)
    for rows in (headline, ~headline):
        adjusted[rows] = significance.holm(p[rows])
        family[rows & compared] = (rows & compared).sum()
    table["p"], table["p_holm"], table["family"] = p, adjusted, family
    std = significance.std(differences)
    table["dz"] = np.divide(table["difference"], std, out=np.full(len(table), np.nan), where=std > 0)
    table["detectable"] = [significance.detectable_effect(int(count)) for count in n] * std
    for column, outcome in (("wins", differences > 0), ("ties", differences == 0), ("losses", differences < 0)):
        table[column] = np.where(compared, outcome.sum(axis=0), np.nan)
    won = (differences > 0) | (settings["ties_win"] & (differences == 0))
    table["win_rate"] = np.divide(won.sum(axis=0), n, out=np.full(len(table), np.nan), where=compared)


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


def add_best_counts(table: pd.DataFrame, values: np.ndarray, ties_win: bool) -> None:
    """How often each headline row is the best of all headline rows, over the prompts where all have a value."""
    counts = np.full((3, len(table)), np.nan)
    for metric in dict.fromkeys(table["metric"]):
        rows = np.flatnonzero((table["metric"] == metric) & table["headline"])
        compared = values[:, rows]
        compared = compared[~np.isnan(compared).any(axis=1)]
        if len(compared):
            best = compared == compared.max(axis=1, keepdims=True)
            alone = best & (best.sum(axis=1, keepdims=True) == 1)
            rate = (best if ties_win else alone).mean(axis=0)
            counts[:, rows] = alone.sum(axis=0), (best & ~alone).sum(axis=0), rate
    table["best_alone"], table["best_shared"], table["best_rate"] = counts
