"""Fingerprints: what belongs to them, and scores of two of them in one table."""

import pytest

from detailscribe.errors import InputError
from detailscribe.scores import load_metric
from detailscribe.scores.fingerprints import metric_recipe, record_fingerprint, single_fingerprint


def row(score, made_by):
    return {"id": "a", "image_set": "x", "score": score, "fingerprint": made_by}


def test_scores_of_two_fingerprints_are_refused_with_both_named(tmp_path):
    recipes = [{"weights": "w", "libraries": {"torch": version}} for version in ("2.13.0", "2.12.0")]
    first, second = (record_fingerprint(recipe, tmp_path) for recipe in recipes)
    assert single_fingerprint("clip_score", [], tmp_path) == ""
    assert single_fingerprint("clip_score", [row(1, first), row(None, second), row(None, None)], tmp_path) == first
    with pytest.raises(InputError) as caught:
        single_fingerprint("clip_score", [row(1, first), row(2, second), row(0, first)], tmp_path)
    message = str(caught.value)
    assert f"{first[:12]} (2 scores) and {second[:12]} (1)" in message
    assert "libraries.torch (2.13.0 / 2.12.0)" in message and "run again" in message
    with pytest.raises(InputError, match="name a dated model"):
        single_fingerprint("judge-main", [row(1, first), row(2, "unknown")], tmp_path)


def test_a_fingerprint_holds_what_decides_scores_and_not_where_files_are():
    metric = load_metric("clip_score")
    one = {"module": "clip_score", "model": "local-dir:/here", "pretrained": "", "revision": "", "algorithm": 2}
    other = one | {"model": "local-dir:/there", "revision": "x", "libraries": {"torch": "planned"}}
    assert metric_recipe(metric, one, "w") == metric_recipe(metric, other, "w")
    assert metric_recipe(metric, one, "w") != metric_recipe(metric, one, "v")
    assert metric_recipe(metric, one, "w") != metric_recipe(metric, one | {"size_px": 3}, "w")
    assert "+" not in metric_recipe(metric, one, "w")["libraries"]["torch"]
    assert metric_recipe(metric, one, "w")["recipe"]["prefix"] == "A photo depicts "
