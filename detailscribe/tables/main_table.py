"""Result tables: for each method and metric the mean under every way of choosing among the method's images.

The released code reports, for its own method, the best of four candidates under the very metric that is reported
(`oracle`). The table shows that beside the honest readings: each candidate alone, their mean, and the candidate that
another metric picks (`by:{metric}`). Every number is defined in docs/statistics.md.
"""

from collections import Counter

import numpy as np
import pandas as pd

from detailscribe.tables import significance
from detailscribe.tables.score_table import Scores

COLUMNS = [
    *("method", "selection", "metric", "n", "mean", "low95", "high95", "headline", "sd", "se"),
    *("missing", "missing_reasons", "lowest", "highest"),
    *("baseline", "n_pairs", "difference", "difference_low95", "difference_high95", "p", "p_holm", "family"),
    *("wins", "ties", "losses", "win_rate", "dz", "detectable", "best_alone", "best_shared", "best_rate"),
]
WHOLE = ["n", "missing", "n_pairs", "family", "wins", "ties", "losses", "best_alone", "best_shared"]  # whole numbers


def select(values: np.ndarray, selection: str, candidates: list[str], others: dict[str, np.ndarray]) -> np.ndarray:
    """One value a prompt.

    Args:
        values: (prompts, candidates), scores under the reported metric; NaN = no score.
        selection: single, oracle, mean, `by:{metric}` or the name of a candidate.
        candidates: Image sets, the columns of `values`.
        others: The same arrays of the metrics that may select; ties go to the first candidate.

    Returns:
        (prompts,), NaN where any candidate lacks a score that the selection needs.
    """
    if selection in candidates:
        return values[:, candidates.index(selection)]
    complete = ~np.isnan(values).any(axis=1)
    if selection in ("single", "mean"):
        chosen = values.mean(axis=1)
    elif selection == "oracle":
        chosen = values.max(axis=1)
    else:
        selector = others[selection.removeprefix("by:")]
        complete &= ~np.isnan(selector).any(axis=1)
        best = np.nan_to_num(selector, nan=-np.inf).argmax(axis=1)
        chosen = values[np.arange(len(values)), best]
    return np.where(complete, chosen, np.nan)


def selections(method: dict, metric: str, metrics: list[str]) -> list[str]:
    """Every selection that a method's row of a metric shows, the paper's first."""
    if len(method["candidates"]) == 1:
        return ["single"]
    honest = ["mean", *(f"by:{other}" for other in metrics if other != metric), *method["candidates"]]
    return list(dict.fromkeys([method["headline"], "oracle", *honest]))


def tabulate(scores: Scores, methods: list[dict], settings: dict) -> pd.DataFrame:
    """The main table over the prompts that have every image of every method.

    Args:
        scores: Of the scenario.
        methods: Rows: name, candidates, headline.
        settings: `bootstrap` {resamples, seed}; `statistics` {baseline, test, permutations}; `ranges` {metric: [low,
            high] or null}; `ties_win`, whether a tie counts as a win.

    Returns:
        Rows with COLUMNS; NaN where there is nothing to compute a number from.
    """
    keys, columns = [], []
    for method in methods:
        names = list(method["candidates"])
        arrays = {metric: scores.array(metric, names) for metric in scores.metrics}
        for metric in scores.metrics:
            for selection in selections(method, metric, scores.metrics):
                keys.append((method, selection, metric))
                columns.append(select(arrays[metric], selection, names, arrays))
    table = pd.DataFrame(
        [
            {
                "method": method["name"],
                "selection": selection,
                "metric": metric,
                "headline": selection == method["headline"],
            }
            for method, selection, metric in keys
        ],
        columns=["method", "selection", "metric", "headline"],
    )
    known = np.array(columns).reshape(len(keys), len(scores.ids)).T  # also of prompts that another method lacks
    values = np.where(scores.complete[:, None], known, np.nan)
    _describe(table, values, settings["bootstrap"])
    _account(table, values, known, scores, [method["candidates"] for method, _, _ in keys], settings["ranges"])
    _compare(table, values, settings)
    _best(table, values, settings["ties_win"])
    texts = {"method", "selection", "metric", "headline", "missing_reasons", "baseline"}
    return table[COLUMNS].astype({name: "Int64" if name in WHOLE else float for name in COLUMNS if name not in texts})


def by_stratum(scores: Scores, methods: list[dict], settings: dict) -> pd.DataFrame:
    """The main table of each stratum, with a column `stratum` in front; no row where the prompts have none."""
    tables = {name: tabulate(scores.part(name), methods, settings) for name in sorted(set(scores.strata) - {""})}
    if not tables:
        return pd.DataFrame(columns=["stratum", *COLUMNS])
    return pd.concat(tables, names=["stratum"]).reset_index("stratum")


def _describe(table: pd.DataFrame, values: np.ndarray, bootstrap: dict) -> None:
    table["n"] = (~np.isnan(values)).sum(axis=0)
    table["mean"] = significance.means(values)
    table["low95"], table["high95"] = significance.intervals(values, **bootstrap)
    table["sd"] = significance.spread(values)
    table["se"] = table["sd"] / np.sqrt(table["n"].where(table["n"] > 0))


def _account(table, values, known, scores: Scores, candidates: list, ranges: dict) -> None:
    """What is missing from each mean, why, and how far it could move it were it there."""
    table["missing"] = len(scores.ids) - table["n"]
    told, lowest, highest = [], [], []
    for place, row in enumerate(table.itertuples()):
        metrics = [row.metric, row.selection[3:]] if row.selection.startswith("by:") else [row.metric]
        needed = [row.selection] if row.selection in candidates[place] else list(candidates[place])
        reasons = Counter(
            scores.left_out[prompt] or scores.reason(prompt, metrics, needed)
            for prompt in np.flatnonzero(np.isnan(values[:, place]))
        )
        told.append("; ".join(f"{reason}: {count}" for reason, count in reasons.most_common()))
        here = known[:, place]
        for side, filler in zip((lowest, highest), ranges.get(row.metric) or scores.extremes(row.metric), strict=True):
            side.append(np.where(np.isnan(here), filler, here).mean() if len(here) else np.nan)
    table["missing_reasons"], table["lowest"], table["highest"] = told, lowest, highest


def _compare(table: pd.DataFrame, values: np.ndarray, settings: dict) -> None:
    """Differences from the baseline's headline row of the same metric, prompt by prompt."""
    chosen, bootstrap = settings["statistics"], settings["bootstrap"]
    table["baseline"] = chosen["baseline"]
    of_baseline = table[(table["method"] == chosen["baseline"]) & table["headline"]]
    base = dict(zip(of_baseline["metric"], of_baseline.index, strict=True))
    against = [base.get(metric) for metric in table["metric"]]
    differences = np.full_like(values, np.nan)
    for place, other in enumerate(against):
        if other is not None and other != place:
            differences[:, place] = values[:, place] - values[:, other]
    n = (~np.isnan(differences)).sum(axis=0)
    compared = n > 0
    table["n_pairs"] = n
    table["difference"] = significance.means(differences)
    table["difference_low95"], table["difference_high95"] = significance.intervals(differences, **bootstrap)
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
    spread = significance.spread(differences)
    table["dz"] = np.divide(table["difference"], spread, out=np.full(len(table), np.nan), where=spread > 0)
    table["detectable"] = [significance.detectable(int(count)) for count in n] * spread
    for column, outcome in (("wins", differences > 0), ("ties", differences == 0), ("losses", differences < 0)):
        table[column] = np.where(compared, outcome.sum(axis=0), np.nan)
    won = (differences > 0) | (settings["ties_win"] & (differences == 0))
    table["win_rate"] = np.divide(won.sum(axis=0), n, out=np.full(len(table), np.nan), where=compared)


def _best(table: pd.DataFrame, values: np.ndarray, ties_win: bool) -> None:
    """How often each headline row is the best of all headline rows, over the prompts where all have a value."""
    found = np.full((3, len(table)), np.nan)
    for metric in dict.fromkeys(table["metric"]):
        rows = np.flatnonzero((table["metric"] == metric) & table["headline"])
        together = values[:, rows]
        together = together[~np.isnan(together).any(axis=1)]
        if len(together):
            best = together == together.max(axis=1, keepdims=True)
            alone = best & (best.sum(axis=1, keepdims=True) == 1)
            rate = (best if ties_win else alone).mean(axis=0)
            found[:, rows] = alone.sum(axis=0), (best & ~alone).sum(axis=0), rate
    table["best_alone"], table["best_shared"], table["best_rate"] = found
