"""Fingerprints of scores: digests of what decides them, so that incompatible scores are never averaged."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from detailscribe.engines.versions import release_versions
from detailscribe.errors import InputError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import digest
from detailscribe.scores import LOCATION_KEYS

FINGERPRINTS_FOLDER = Path("results/fingerprints")  # the recipe of each fingerprint, as {fingerprint}.json
SHOWN_DIGITS = 12  # hex characters of a fingerprint in a message


def metric_recipe(metric: ModuleType, parameters: dict, weights: str) -> dict:
    """Everything that decides a metric's scores, independent of the machine.

    Args:
        metric: Module of the metric.
        parameters: Its parameters in the study.
        weights: Digest of the weights loaded.
    """
    recorded_elsewhere = (*LOCATION_KEYS, "stage", "algorithm", "metric_algorithm", "libraries", "module_sha256")
    return {
        "metric": metric.__name__.rpartition(".")[2],
        "algorithm": [metric.ALGORITHM, parameters.get("module_sha256", "")],
        "weights": weights,
        "recipe": getattr(metric, "RECIPE", {}),
        "settings": {key: value for key, value in parameters.items() if key not in recorded_elsewhere},
        "libraries": release_versions(metric.LIBRARIES),
    }


def record_fingerprint(recipe: dict, folder: Path = FINGERPRINTS_FOLDER) -> str:
    """The digest of a recipe; writes the recipe to `folder` so that two fingerprints can be compared."""
    name = digest(recipe)
    if not (folder / f"{name}.json").is_file():
        write_text(folder / f"{name}.json", json.dumps(recipe, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return name


def single_fingerprint(metric: str, rows: Iterable[dict], folder: Path = FINGERPRINTS_FOLDER) -> str:
    """The fingerprint that all scores of a metric share; empty if there is none.

    Args:
        metric: Name of the metric in the study.
        rows: Rows with `score` and `fingerprint`, from one or several files; rows without a score are ignored.

    Raises:
        InputError: there are two; names both, their difference and the remedy.
    """
    counts: dict[str, int] = {}
    for row in rows:
        if row["score"] is not None:
            counts[row["fingerprint"]] = counts.get(row["fingerprint"], 0) + 1
    if len(counts) < 2:
        return next(iter(counts), "")
    (first, first_count), (second, second_count) = sorted(counts.items(), key=lambda item: -item[1])[:2]
    difference = _difference(_read_recipe(first, folder), _read_recipe(second, folder))
    remedy = (
        f"name a dated model that the service keeps, or judge all again with `refresh: {{{metric}: 1}}`"
        if metric.startswith("judge-")
        else f"remove {metric} from results/*/scores and results/*/ledgers/scores, and run again with one set-up"
    )
    raise InputError(
        f"{metric}: scores of two fingerprints cannot be in one table: {first[:SHOWN_DIGITS]} ({first_count} scores) "
        f"and {second[:SHOWN_DIGITS]} ({second_count}); they differ in {difference}. Remedy: {remedy}"
    )


def phrase_sources(rows: Iterable[dict]) -> str:
    """Sources of the noun phrases behind a metric's scores: spacy, rules, user; empty if it reads none."""
    return ", ".join(sorted({row["phrases"] for row in rows if row.get("phrases")}))


def _read_recipe(name: str, folder: Path) -> dict:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _difference(first: dict, second: dict) -> str:
    """The first three keys whose values differ, with both values."""
    one, two = _flatten(first), _flatten(second)
    keys = [key for key in sorted(one | two) if one.get(key) != two.get(key)]
    shown = [f"{key} ({str(one.get(key))[:40]} / {str(two.get(key))[:40]})" for key in keys[:3]]
    return ", ".join(shown) or f"something that {FINGERPRINTS_FOLDER} no longer holds"


def _flatten(value: object, prefix: str = "") -> dict:
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for key, each in value.items() for k, v in _flatten(each, f"{prefix}.{key}".strip(".")).items()}
