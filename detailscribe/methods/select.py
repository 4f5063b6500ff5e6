"""Selection of one image set per prompt by a metric: of the seeds for a table's row, or as a step of the graph."""

from collections.abc import Mapping

from detailscribe.study.study import Study

STAGE = "select"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    candidates = study.candidates_of_method("multi_seed")
    files: dict[str, dict] = {"select": {"candidates": candidates, "metric": study.config["seed_selector"]}}
    for name, selection in study.graph.selections.items():
        files[f"select-{name}"] = {"candidates": list(selection.among), "metric": selection.by}
        files[f"select-{name}"] |= {"rank": selection.rank} if selection.rank > 1 else {}
    return files


def select_image(scores: list[dict], candidates: list[str], metric: str, rank: int = 1) -> list[dict]:
    """For each prompt the candidate image set with the highest score; the first one listed wins a tie.

    Args:
        rank: 2 for the second highest, and so on.

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
        best = None if missing else sorted(candidates, key=lambda name: -by_candidate[name])[rank - 1]
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


IMAGE_COLUMNS = ("file", "sha256", "key", "prompt", "seed", "k", "state")  # of a manifest, kept in a selection's row


def select_images(
    scores: list[dict], images: Mapping[str, Mapping[str, dict]], candidates: list[str], metric: str, rank: int = 1
) -> list[dict]:
    """The best images of each prompt as rows of a manifest, so that a later step can start from them.

    Args:
        scores: Score rows; `image_set` is the candidate that was scored.
        images: Rows by id of each candidate, an image set or an earlier selection.
        candidates: In order of preference on a tie.
        metric: That selects.
        rank: As for `select_image`.

    Returns:
        Rows of `select_image` with IMAGE_COLUMNS of the chosen image. `image_set` is the set that holds its file, also
        where the candidate is itself a selection; `candidate` is what was chosen, `scores` has every candidate's.
    """
    rows = []
    by_prompt: dict[str, dict[str, float | None]] = {}
    for row in scores:
        by_prompt.setdefault(row["id"], {})[row["image_set"]] = row["score"]
    for row in select_image(scores, candidates, metric, rank):
        chosen = row["image_set"]
        image: Mapping = images[chosen][row["id"]] if chosen else {}
        values = {key: image.get(key) for key in IMAGE_COLUMNS if key != "state" or image.get(key)}
        known = {name: by_prompt[row["id"]].get(name) for name in candidates}
        own = {"image_set": image.get("image_set") or chosen, "candidate": chosen, "scores": known}
        rows.append({**row, **own, **values})
    return rows
