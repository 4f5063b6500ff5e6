"""Scores of every image of a prompt: images with equal scores in one row, and each text that images were made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.report.before_after import best_of
from detailscribe.report.table_view import number_text

if TYPE_CHECKING:
    from detailscribe.report.prompt_story import ScenarioResults


def score_rows(results: ScenarioResults, id: str) -> list[dict]:
    """Rows of the table of all scores, in the order of the images.

    Returns:
        Rows image_sets, same_image (whether all have the same bytes), scores by metric, status and reason of images
        that are missing. Images with equal scores, to the digits shown, are one row.
    """
    rows: dict[tuple, dict] = {}
    for name, by_id in results.images.items():
        row = by_id[id]
        scores = {metric: results.score(metric, id, name) for metric in results.metrics}
        texts = tuple(number_text(score) for score in scores.values())
        known = any(score is not None for score in scores.values())
        key = (row["status"], row["reason"], texts if known else row["sha256"] or name)
        found = rows.setdefault(key, {"image_sets": [], "sha256": set(), "scores": scores, "row": row})
        found["image_sets"].append(name)
        found["sha256"].add(row["sha256"])
    return [
        {
            "image_sets": found["image_sets"],
            "same_image": len(found["image_sets"]) > 1 and len(found["sha256"]) == 1,
            "scores": found["scores"],
            "status": found["row"]["status"],
            "reason": found["row"]["reason"],
        }
        for found in rows.values()
    ]


def score_lines(results: ScenarioResults, id: str) -> dict[str, list[tuple[str, str, bool]]]:
    """By image set, a line per metric: its label, the score, and whether it is the highest of all images.

    Where all images have the same score, none is the highest.
    """
    lines: dict[str, list[tuple[str, str, bool]]] = {name: [] for name in results.images}
    for metric in results.metrics:
        scores = {name: results.score(metric, id, name) for name in results.images}
        label, best = results.labels.metric(metric), best_of(list(scores.values()))
        for name, score in scores.items():
            lines[name].append((label, number_text(score), score is not None and score == best))
    return lines


def texts_of_images(results: ScenarioResults, id: str) -> list[tuple[str, list[str]]]:
    """Each text that images were made from, with their image sets; the prompt itself comes first."""
    texts: dict[str, list[str]] = {}
    for name, by_id in results.images.items():
        if by_id[id]["status"] == "ok" and by_id[id]["prompt"]:
            texts.setdefault(by_id[id]["prompt"], []).append(name)
    return list(texts.items())


def same_images(results: ScenarioResults, id: str) -> dict[str, str]:
    """The first image set with the same bytes, of every image that repeats one."""
    first: dict[str, str] = {}
    same = {}
    for name, by_id in results.images.items():
        digest = by_id[id]["sha256"]
        if digest and first.setdefault(digest, name) != name:
            same[name] = first[digest]
    return same
