"""Selection among the images of a method: single, oracle, mean, by another metric, or one candidate."""

import numpy as np


def selections(method: dict, metric: str, metrics: list[str]) -> list[str]:
    """Every selection shown for a method and metric, the headline first."""
    if len(method["candidates"]) == 1:
        return ["single"]
    others = ["mean", *(f"by:{other}" for other in metrics if other != metric), *method["candidates"]]
    return list(dict.fromkeys([method["headline"], "oracle", *others]))


def select_scores(
    values: np.ndarray, selection: str, candidates: list[str], selectors: dict[str, np.ndarray]
) -> np.ndarray:
    """One value per prompt.

    Args:
        values: (prompts, candidates), scores under the reported metric; NaN = no score.
        selection: single, oracle, mean, `by:{metric}` or the name of a candidate.
        candidates: Image sets, the columns of `values`.
        selectors: The same arrays of the metrics that may select; ties go to the first candidate.

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
        selector = selectors[selection.removeprefix("by:")]
        complete &= ~np.isnan(selector).any(axis=1)
        best = np.nan_to_num(selector, nan=-np.inf).argmax(axis=1)
        chosen = values[np.arange(len(values)), best]
    return np.where(complete, chosen, np.nan)
