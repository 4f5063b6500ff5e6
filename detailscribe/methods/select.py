"""Selection of one image set per prompt by a metric."""

from detailscribe.study.study import Study

STAGE = "select"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    candidates = study.candidates_of_method("multi_seed")
    return {"select": {"candidates": candidates, "metric": study.config["seed_selector"]}}


def select_image(scores: list[dict], candidates: list[str], metric: str) -> list[dict]:
    """For each prompt the candidate image set with the highest score; the first one listed wins a tie.

    Returns:
        Rows id, status, reason, image_set, metric, score; `skipped` where a candidate has no score.
    """
    by_prompt: dict[str, dict[str, float]] = {}
    for row in scores:
        if row["image_set"] in candidates:
            by_candidate = by_prompt.setdefault(row["id"], {})
            by_candidate.pop(row["image_set"], None)
            if row["score"] is not None:
                by_candidate[row["image_set"]] = row["score"]
    rows = []
    for id, by_candidate in by_prompt.items():
        missing = [name for name in candidates if name not in by_candidate]
        best = None if missing else max(candidates, key=by_candidate.__getitem__)
        rows.append(
            {
                "id": id,
                "status": "skipped" if missing else "ok",
                "reason": f"no {metric} of {missing[0]}" if missing else "",
                "image_set": best,
                "metric": metric,
                "score": by_candidate[best] if best else None,
            }
        )
    return rows
