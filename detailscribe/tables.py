"""Result tables: for each method and metric the mean under every way of choosing among the method's images.

The released code reports, for its own method, the best of four candidates under the very metric that is reported
(`oracle`). The table shows that beside the honest readings: each candidate alone, their mean, and the candidate that
another metric picks (`by:{metric}`).
"""

import numpy as np
from scipy import stats

COLUMNS = ["method", "selection", "metric", "n", "mean", "low95", "high95", "headline"]


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


def tabulate(ids: list[str], scores: dict[str, dict], methods: list[dict], bootstrap: dict) -> list[dict]:
    """The main table.

    Args:
        ids: Prompts that the table covers: those with every image.
        scores: {metric: {(id, image set): score or None}}.
        methods: Rows: name, candidates, headline.
        bootstrap: `resamples` and `seed` of the percentile intervals of the means.

    Returns:
        Rows with COLUMNS. The mean and interval of no value are None; so is the interval of one value.
    """
    rows = []
    for method in methods:
        names = method["candidates"]
        arrays = {
            metric: np.array([[_number(values.get((id, name))) for name in names] for id in ids]).reshape(
                -1, len(names)
            )
            for metric, values in scores.items()
        }
        for metric in scores:
            for selection in selections(method, metric, list(scores)):
                values = select(arrays[metric], selection, list(names), arrays)
                values = values[~np.isnan(values)]
                low, high = interval(values, **bootstrap)
                rows.append(
                    {
                        "method": method["name"],
                        "selection": selection,
                        "metric": metric,
                        "n": len(values),
                        "mean": float(values.mean()) if len(values) else None,
                        "low95": low,
                        "high95": high,
                        "headline": selection == method["headline"],
                    }
                )
    return rows


def interval(values: np.ndarray, resamples: int, seed: int) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap interval of the mean; (None, None) for fewer than two values."""
    if len(values) < 2:
        return None, None
    result = stats.bootstrap(
        (values,), np.mean, n_resamples=resamples, method="percentile", rng=np.random.default_rng(seed), batch=200
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _number(score: float | None) -> float:
    return np.nan if score is None else score
