"""Scoring of a shard: every image set under one metric, each (prompt, image) pair scored once."""

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from detailscribe.engines.gpu.device_errors import device_error, friendly_device_errors
from detailscribe.engines.machine.hardware import processor_name
from detailscribe.engines.machine.speeds import LOAD, SCORE, JobSpeeds, score_speed_key
from detailscribe.engines.metric_weights import metric_identity
from detailscribe.errors import SetupError
from detailscribe.files.digests import digest
from detailscribe.files.ledger import Ledger
from detailscribe.images.image_reader import read_image
from detailscribe.images.seconds import add_score_seconds
from detailscribe.scores import load_metric
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER, metric_recipe, record_fingerprint
from detailscribe.scores.metric_facts import metric_code
from detailscribe.study.study import Study

STAGE = "score"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    metrics = study.config["metrics"]
    return {f"score-{name}": {**entry, **metric_code(study, entry)} for name, entry in metrics.items()}


def score_shard(
    results: Path,
    scenario: str,
    shard: str,
    metric: str,
    records: dict[str, dict],
    image_sets: dict[str, dict[str, dict]],
    settings: dict,
    phrases: dict[str, dict] | None,
    on_done: Callable[[], object],
) -> list[dict]:
    """Score every image of a shard, and record what that took; scores of the shard's ledger are not made again.

    Args:
        results: Folder of the results.
        scenario, shard: Of the images.
        metric: Its name in the configuration.
        records, image_sets, settings, phrases, on_done: As for `score_images`.

    Returns:
        Rows of `score_images`.

    Raises:
        InputError, SetupError, DeviceError: as `metric_identity`, `load_metric` and `score_images`.
    """
    speeds = JobSpeeds()
    rows = score_images(
        records,
        image_sets,
        settings,
        metric_identity(settings),
        load_metric(settings["module"]),
        Ledger(results / scenario / "ledgers" / "scores" / metric / f"{shard}.jsonl"),
        on_done,
        phrases,
        speeds=speeds,
    )
    speeds.record(results, processor_name)
    add_score_seconds(results / scenario, metric, shard, settings, speeds, processor_name)
    return rows


def score_images(
    records: dict[str, dict],
    image_sets: dict[str, dict[str, dict]],
    settings: dict,
    weights_identity: str,
    metric: ModuleType,
    ledger: Ledger,
    on_done: Callable[[], object] = lambda: None,
    phrases: dict[str, dict] | None = None,
    fingerprints: Path = FINGERPRINTS_FOLDER,
    speeds: JobSpeeds | None = None,
) -> list[dict]:
    """Score every image against its original prompt, never against the refined one.

    Args:
        records: Prompt records by id.
        image_sets: Manifest rows by id with `path`, by image set.
        settings: Parameters of the metric.
        weights_identity: Identity of the metric's weights before they are loaded.
        metric: The metric's module; its `load` is called at the first image whose score is not in the ledger.
        ledger: Existing scores.
        on_done: Called once per image.
        phrases: Rows of `noun_phrases` by id, for a metric that reads them.
        fingerprints: Folder of the fingerprints' recipes.
        speeds: Receives the seconds of loading and scoring.

    Returns:
        Rows id, image_set, score or None, status, reason, fingerprint, key; for a metric that reads noun phrases also
        phrases, their source.

    Raises:
        SetupError: the scorer cannot be loaded, or fails at every one of several images.
        DeviceError: the GPU or the memory failed; scores made before are in the ledger.
    """
    scorer, made_by, rows = None, "", []
    speeds, speed_key = speeds or JobSpeeds(), score_speed_key(settings)
    memory = {"what": f"the metric {settings.get('module', '')}".rstrip(), "lighter": "score on a larger GPU"}
    for image_set, images in image_sets.items():
        for id, record in records.items():
            image = images[id]
            extra = [] if phrases is None else [phrases[id]["phrases"]]
            key = digest([settings, weights_identity, record["prompt"], image["sha256"], *extra])
            if image["status"] != "ok":
                row = _row(id, image_set, None, "skipped", f"no image: {image['status']}", None, None)
            elif extra == [[]]:
                row = _row(id, image_set, None, "skipped", "the prompt has no noun phrase to ask about", None, None)
            elif recorded := ledger.get(id, key):
                row = {**recorded, "image_set": image_set}
            else:
                if scorer is None:
                    with friendly_device_errors(**memory), speeds.timed(LOAD, speed_key):
                        scorer = metric.load(settings)
                        made_by = record_fingerprint(metric_recipe(metric, settings, scorer.weights), fingerprints)
                place = f"the prompt {id} of {image_set}"
                with friendly_device_errors(place, **memory), speeds.timed(SCORE, speed_key):
                    row = _score(scorer, record["prompt"], extra, image["path"], id, image_set, made_by, key)
                if row["status"] == "ok":
                    ledger.add(row)
            rows.append(row if phrases is None else {**row, "phrases": phrases[id].get("source", "")})
            on_done()
    failed = [row for row in rows if row["status"] == "failed"]
    if len(failed) > 1 and not any(row["status"] == "ok" for row in rows):
        raise SetupError(f"no image could be scored; the first failure: {failed[0]['reason']}")
    return rows


def _score(scorer: Any, prompt: str, extra: list, path: Path, id: str, image_set: str, made_by: str, key: str) -> dict:
    try:
        image = read_image(path).image
        score = float(scorer.score([prompt], [image], *([extra] if extra else []))[0])
        if not math.isfinite(score):
            raise ValueError(f"the score is {score}, not a finite number")
    except SetupError:
        raise
    except Exception as error:
        if device_error(error):
            raise
        # One bad image must not stop the others.
        return _row(id, image_set, None, "failed", f"{type(error).__name__}: {error}", made_by, key)
    return _row(id, image_set, score, "ok", "", made_by, key)


def _row(
    id: str, image_set: str, score: float | None, status: str, reason: str, fingerprint: str | None, key: str | None
) -> dict:
    return {
        "id": id,
        "image_set": image_set,
        "score": score,
        "status": status,
        "reason": reason,
        "fingerprint": fingerprint,
        "key": key,
    }
