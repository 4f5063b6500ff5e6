"""Which cells are oracle cells, and which selection stands for a method instead."""

import pytest

from detailscribe.tables.honest.oracle_cells import honest_selection, is_oracle, oracle_settings
from tests.unit.study.configured import CONFIG, configured_study

METRICS = ["clip", "blip", "judge-a", "judge-b"]
FOUR = ["k0", "k1", "k2", "k4"]


@pytest.mark.parametrize(
    ("headline", "candidates", "metric", "on_the_way", "oracle", "honest"),
    [
        ("single", FOUR[:1], "clip", [], False, "single"),
        ("oracle", FOUR, "clip", [], True, "mean"),  # clip is the selector of the seeds
        ("oracle", FOUR, "judge-a", [], True, "by:clip"),
        ("by:clip", FOUR, "clip", [], True, "mean"),
        ("by:clip", FOUR, "judge-a", [], False, "by:clip"),
        ("by:judge-a", FOUR, "judge-a", [], True, "by:clip"),
        ("by:judge-a", FOUR, "judge-b", [], False, "by:judge-a"),
        ("mean", FOUR, "clip", [], False, "mean"),
        ("single", FOUR[:1], "judge-a", ["judge-a"], True, None),  # made from what the judge chose
        ("single", FOUR[:1], "clip", ["judge-a"], False, "single"),
        ("mean", FOUR, "judge-a", ["judge-a"], True, None),
        ("by:judge-a", FOUR, "judge-a-geometric", [], True, "by:clip"),  # of the same answers
        ("by:judge-a-geometric", FOUR, "judge-a", [], True, "by:clip"),
        ("single", FOUR[:1], "judge-a-geometric", ["judge-a"], True, None),
        ("by:clip", FOUR[:1], "clip", [], False, "single"),  # one candidate: nothing was chosen
    ],
)
def test_a_cell_whose_metric_chose_the_image_is_an_oracle_cell(
    headline, candidates, metric, on_the_way, oracle, honest
):
    method = {"name": "mine", "candidates": candidates, "headline": headline}
    selection = headline if len(candidates) > 1 else "single"
    assert is_oracle(selection, metric, on_the_way) == oracle
    settings = {"selector": "clip", "on_the_way": {"mine": on_the_way}}
    found = honest_selection(method, metric, METRICS, settings)
    assert found == honest
    assert found is None or not is_oracle(found, metric, on_the_way)


def test_a_selector_that_is_no_metric_of_the_study_leaves_the_mean():
    method = {"name": "mine", "candidates": FOUR, "headline": "oracle"}
    assert honest_selection(method, "judge-a", ["judge-a"], {"selector": "clip"}) == "mean"


def test_a_selector_whose_answers_are_those_of_the_metric_leaves_the_mean():
    method = {"name": "mine", "candidates": FOUR, "headline": "oracle"}
    metrics = ["judge-a", "judge-a-geometric"]
    assert {honest_selection(method, each, metrics, {"selector": "judge-a"}) for each in metrics} == {"mean"}


def test_what_a_metric_chose_on_the_way_is_known_from_the_graph_of_images():
    assert oracle_settings(configured_study()) == {"selector": "clip_score"}
    critic = {**CONFIG["critics"]["detailscribe"], "after_step": [1]}
    study = configured_study(
        selections={"best": {"among": ["initial", "detailscribe-k1", "detailscribe-k2"], "by": "judge-main"}},
        critics={"second": {**critic, "of": "best"}},
        refiners={
            "sdedit": {"refiner": "sdedit", "text": "second", "strengths": [0.5]},
            "search": {"refiner": "noise_search", "verifier": "blip_vqa", "rounds": 2, "neighbours": 1},
        },
    )
    assert oracle_settings(study)["on_the_way"] == {
        "second": ["judge-main"],
        "sdedit": ["judge-main"],  # starts from what its text's critic looked at
        "search": ["blip_vqa"],  # its second round starts from the best of the first
    }
