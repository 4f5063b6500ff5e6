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


def select_image(scores: list[dict], candidates: list[str], metric: str) -> list[dict]:
    """For each prompt the candidate image set with the highest score; the first one listed wins a tie.

    Returns:
        Rows id, status, reason, image_set, metric, score; `skipped` where a candidate has no score.
    """
    scores_by_prompt = _scores_by_prompt(scores, candidates)
    return [_chosen_row(id, known, _ranking(known, candidates)[:1], metric) for id, known in scores_by_prompt.items()]


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
        rank: 2 for the second best image, and so on. Candidates that hold the same image, as where another one was
            carried over, count as one; if a prompt has fewer images than `rank`, they follow again from the best on.

    Returns:
        Rows of `select_image` with IMAGE_COLUMNS of the chosen image. `image_set` is the set that holds its file, also
        where the candidate is itself a selection; `candidate` is what was chosen, `scores` has every candidate's.
    """
    rows = []
    for id, known in _scores_by_prompt(scores, candidates).items():
        best: dict[str, str] = {}  # candidate by the digest of its image
        for name in _ranking(known, candidates):
            best.setdefault(images[name][id]["sha256"], name)
        distinct = list(best.values())
        row = _chosen_row(id, known, [distinct[(rank - 1) % len(distinct)]] if distinct else [], metric)
        chosen = row["image_set"]
        image: Mapping = images[chosen][id] if chosen else {}
        values = {key: image.get(key) for key in IMAGE_COLUMNS if key != "state" or image.get(key)}
        own = {"image_set": image.get("image_set") or chosen, "candidate": chosen, "scores": known}
        rows.append({**row, **own, **values})
    return rows


def _scores_by_prompt(scores: list[dict], candidates: list[str]) -> dict[str, dict[str, float | None]]:
    """Score of every candidate by id of the prompt; None where it has none."""
    by_prompt: dict[str, dict[str, float | None]] = {}
    for row in scores:
        if row["image_set"] in candidates:
            by_prompt.setdefault(row["id"], dict.fromkeys(candidates))[row["image_set"]] = row["score"]
    return by_prompt


def _ranking(known: Mapping[str, float | None], candidates: list[str]) -> list[str]:
    """The candidates from the best on, equal ones in their order; none if a score is missing."""
    numbers = {name: score for name, score in known.items() if score is not None}
    return sorted(candidates, key=lambda name: -numbers[name]) if len(numbers) == len(known) else []


def _chosen_row(id: str, known: Mapping[str, float | None], chosen: list[str], metric: str) -> dict:
    """Row of a prompt with the candidate that is chosen, if one is."""
    missing = next((name for name, score in known.items() if score is None), None)
    return {
        "id": id,
        "status": "ok" if chosen else "skipped",
        "reason": "" if chosen else f"no {metric} of {missing}",
        "image_set": chosen[0] if chosen else None,
        "metric": metric,
        "score": known[chosen[0]] if chosen else None,
    }
