"""Scores of a shard: every image set under one metric, each (prompt, image) scored once and never invented."""

import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from detailscribe.errors import InputError, SetupError
from detailscribe.files.digests import digest
from detailscribe.files.ledger import Ledger
from detailscribe.scores.fingerprints import FOLDER, fingerprint, recipe_of
from detailscribe.scores.metric_facts import metric_code
from detailscribe.study.study import Study

STAGE = "score"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    metrics = study.config["metrics"]
    return {f"score-{name}": {**entry, **metric_code(study, entry)} for name, entry in metrics.items()}


def score_images(
    records: dict[str, dict],
    image_sets: dict[str, dict[str, dict]],
    parameters: dict,
    weights_identity: str,
    metric,
    ledger: Ledger,
    on_done: Callable[[], object] = lambda: None,
    phrases: dict[str, dict] | None = None,
    fingerprints: Path = FOLDER,
) -> list[dict]:
    """Score every image against the prompt it was asked for, never against the refined one.

    Args:
        records: Prompt records by id.
        image_sets: Manifest rows by id with `path`, by image set.
        parameters: Parameters of the metric.
        weights_identity: What tells the metric's weights apart before they are loaded.
        metric: The metric's module; loads at the first image whose score is not in the ledger.
        ledger: Scores already made.
        on_done: Called once an image.
        phrases: Rows of `noun_phrases` by id, for a metric that reads them.
        fingerprints: Where what a fingerprint stands for is kept.

    Returns:
        Rows id, image_set, score or None, status, reason, fingerprint, key.

    Raises:
        SetupError: the scorer cannot be loaded, or fails at every image of several.
    """
    scorer, rows = None, []
    for image_set, pictures in image_sets.items():
        for id, record in records.items():
            picture = pictures[id]
            asked = [] if phrases is None else [phrases[id]["phrases"]]
            key = digest([parameters, weights_identity, record["prompt"], picture["sha256"], *asked])
            if picture["status"] != "ok":
                row = _row(id, image_set, None, "skipped", f"no image: {picture['status']}", None, None)
            elif asked == [[]]:
                row = _row(id, image_set, None, "skipped", "the prompt has no noun phrase to ask about", None, None)
            elif kept := ledger.get(id, key):
                row = {**kept, "image_set": image_set}
            else:
                if scorer is None:
                    scorer = metric.load(parameters)
                    made_by = fingerprint(recipe_of(metric, parameters, scorer.weights), fingerprints)
                row = _score(scorer, record["prompt"], asked, picture["path"], id, image_set, made_by, key)
                if row["status"] == "ok":
                    ledger.add(row)
            rows.append(row)
            on_done()
    failed = [row for row in rows if row["status"] == "failed"]
    if len(failed) > 1 and not any(row["status"] == "ok" for row in rows):
        raise SetupError(f"no image could be scored, the first one because: {failed[0]['reason']}")
    return rows


def _score(scorer, prompt: str, asked: list, path: Path, id: str, image_set: str, made_by: str, key: str) -> dict:
    try:
        with Image.open(path) as image:
            image.load()
            score = float(scorer.score([prompt], [image], *([asked] if asked else []))[0])
        if not math.isfinite(score):
            raise ValueError(f"the score is {score}, not a finite number")
    except (InputError, SetupError):
        raise
    except Exception as error:  # noqa: BLE001 - one bad image never stops the others
        return _row(id, image_set, None, "failed", f"{type(error).__name__}: {error}", made_by, key)
    return _row(id, image_set, score, "ok", "", made_by, key)


def _row(id, image_set, score, status, reason, fingerprint, key) -> dict:
    return {
        "id": id,
        "image_set": image_set,
        "score": score,
        "status": status,
        "reason": reason,
        "fingerprint": fingerprint,
        "key": key,
    }
