"""Fingerprints: what made a score, so that scores made differently are never averaged."""

import json
from collections.abc import Iterable
from pathlib import Path

from detailscribe.engines.versions import release_versions
from detailscribe.errors import InputError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import digest
from detailscribe.scores import PLACES

FOLDER = Path("results/fingerprints")  # what each fingerprint stands for, as {fingerprint}.json
SHOWN = 12  # hex characters of a fingerprint in a message


def recipe_of(metric, parameters: dict, weights: str) -> dict:
    """Everything that decides a metric's scores, whatever the machine.

    Args:
        metric: Module of the metric.
        parameters: Its parameters in the study.
        weights: Digest of the weights loaded.
    """
    planned = (*PLACES, "stage", "algorithm", "metric_algorithm", "libraries", "module_sha256")
    return {
        "metric": metric.__name__.rpartition(".")[2],
        "algorithm": [metric.ALGORITHM, parameters.get("module_sha256", "")],
        "weights": weights,
        "recipe": getattr(metric, "RECIPE", {}),
        "settings": {key: value for key, value in parameters.items() if key not in planned},
        "libraries": release_versions(metric.LIBRARIES),
    }


def fingerprint(recipe: dict, folder: Path = FOLDER) -> str:
    """The digest of a recipe, which is kept beside the results so that two fingerprints can be told apart."""
    name = digest(recipe)
    if not (folder / f"{name}.json").is_file():
        write_text(folder / f"{name}.json", json.dumps(recipe, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return name


def one_fingerprint(metric: str, rows: Iterable[dict], folder: Path = FOLDER) -> str:
    """The fingerprint that all scores of a metric share; empty where there is none.

    Args:
        metric: Name of the metric in the study.
        rows: Rows with `score` and `fingerprint`, from one file or from many; rows without a score do not count.

    Raises:
        InputError: there are two; names both, what differs, and the way out.
    """
    counts: dict[str, int] = {}
    for row in rows:
        if row["score"] is not None:
            counts[row["fingerprint"]] = counts.get(row["fingerprint"], 0) + 1
    if len(counts) < 2:
        return next(iter(counts), "")
    (first, many), (second, few) = sorted(counts.items(), key=lambda item: -item[1])[:2]
    recipes = [_recipe(name, folder) for name in (first, second)]
    way_out = (
        "name a dated model that the service keeps, and judge again"
        if metric.startswith("judge-")
        else f"remove {metric} from results/*/scores and results/*/ledgers/scores, and run again on one set-up"
    )
    raise InputError(
        f"{metric}: scores of two fingerprints cannot be in one table: {first[:SHOWN]} ({many} scores) and "
        f"{second[:SHOWN]} ({few}); they differ in {_difference(*recipes)}. Way out: {way_out}"
    )


def _recipe(name: str, folder: Path) -> dict:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _difference(first: dict, second: dict) -> str:
    """The first keys whose values differ, with both values."""
    flat = [_flat(recipe) for recipe in (first, second)]
    keys = [key for key in sorted(flat[0] | flat[1]) if flat[0].get(key) != flat[1].get(key)]
    shown = [f"{key} ({str(flat[0].get(key))[:40]} / {str(flat[1].get(key))[:40]})" for key in keys[:3]]
    return ", ".join(shown) or f"something that {FOLDER} no longer holds"


def _flat(value, prefix: str = "") -> dict:
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for key, each in value.items() for k, v in _flat(each, f"{prefix}.{key}".strip(".")).items()}
