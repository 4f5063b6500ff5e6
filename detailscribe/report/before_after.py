"""Before and after on the page of a prompt: which images the slider offers, which is chosen first, and their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.report.labels import BY, ORACLE
from detailscribe.tables.honest.oracle_cells import is_oracle

if TYPE_CHECKING:
    from detailscribe.report.prompt_story import ScenarioResults


def before_after(results: ScenarioResults, id: str) -> dict | None:
    """The slider of a prompt; None where the initial image or every refined one is missing.

    Returns:
        `critic`, whose candidates come first; `chosen`, the image set that is shown first, and in `reason` why;
        `picked_by`, the metrics under which the chosen one's score is an oracle cell; `options`, rows image_set,
        group and scores by metric; `rows`, one per metric: metric, before, cells by candidate, and best, the highest
        of these (None where all are equal).
    """
    initial = results.methods[0]["candidates"][0]
    if not results.images[initial][id]["file"]:
        return None
    found = first_choice(results, id)
    if found is None:
        return None
    critic, chosen, selection, reason = found
    method = {method["name"]: method for method in results.methods}[critic]
    on_the_way = results.oracle_settings.get("on_the_way", {}).get(critic, ())
    shown = {name: rows[id] for name, rows in results.images.items() if rows[id]["file"]}
    candidates = [name for name in method["candidates"] if name in shown]
    others = [name for name in shown if name not in candidates and name != initial]
    rows = []
    for metric in results.metrics:
        cells = {name: results.score(metric, id, name) for name in candidates}
        before = results.score(metric, id, initial)
        rows.append({"metric": metric, "before": before, "cells": cells, "best": best_of([before, *cells.values()])})
    return {
        "critic": critic,
        "chosen": chosen,
        "reason": reason,
        "picked_by": [metric for metric in results.metrics if is_oracle(selection, metric, on_the_way)],
        "candidates": candidates,
        "options": [
            {
                "image_set": name,
                "group": critic if name in candidates else "",
                "scores": {metric: results.score(metric, id, name) for metric in results.metrics},
            }
            for name in [*candidates, *others]
        ],
        "rows": rows,
    }


def first_choice(results: ScenarioResults, id: str) -> tuple[str, str, str, str] | None:
    """Critic, image set, selection and reason of the image that is shown first; None where no critic has an image.

    It is the first critic's, and among its candidates the one that its headline picks by a metric, or instead of the
    best under each metric the pick of the metric that also selects among seeds: fixed before any score is seen.
    """
    methods, labels = {method["name"]: method for method in results.methods}, results.labels
    for critic, candidates in results.critics.items():
        generated = [name for name in candidates if results.images[name][id]["file"]]
        if not generated:  # nor is a critic without images a row of the tables
            continue
        method, selector = methods[critic], results.oracle_settings.get("selector", "")
        selection = f"{BY}{selector}" if method["headline"] == ORACLE else method["headline"]
        metric = selection.removeprefix(BY)
        if len(candidates) == 1:
            return critic, generated[0], "single", "The only image of this method."
        if metric in results.metrics:
            chosen = headline_choice(results, {**method, "headline": selection}, metric, id)[1]
            if chosen in generated:
                reason = f"Chosen first: the candidate that {labels.metric(metric)} picks, the honest choice."
                return critic, chosen, selection, reason
        return critic, generated[0], "single", "Chosen first: the first candidate with an image."
    return None


def headline_choice(results: ScenarioResults, method: dict, metric: str, id: str) -> tuple[float | None, str | None]:
    """Value and selected image set of a method's headline selection, for one prompt and metric.

    The selections are those of the main table: single, oracle, mean (of no one image), by:{metric}. None where a
    candidate lacks a score that the selection needs.
    """
    names, headline = list(method["candidates"]), method["headline"]
    values = {name: results.score(metric, id, name) for name in names}
    if headline == "single":
        return values[names[0]], names[0]
    selector = headline.removeprefix("by:") if headline.startswith("by:") else metric
    known = {name: value for name, value in values.items() if value is not None}
    deciding = {name: results.score(selector, id, name) for name in names}
    decided = {name: value for name, value in deciding.items() if value is not None}
    if len(known) < len(names) or len(decided) < len(names):
        return None, None
    if headline == "mean":
        return sum(known.values()) / len(known), None
    best = max(names, key=decided.__getitem__)
    return known[best], best


def best_of(values: list[float | None]) -> float | None:
    """The highest of some values; None where fewer than two are known or all are equal."""
    known = [value for value in values if value is not None]
    return max(known) if len(known) > 1 and max(known) > min(known) else None
