"""Pairs that people compare: defaults of every key, and contradictions named with the way out."""

import pytest

from detailscribe.errors import InputError
from detailscribe.human.pairs.assignment import assign_pairs
from detailscribe.study.judging.human_pairs import human_pair_parameters
from tests.unit.study.configured import CONFIG, configured_study


def pairs_of(entry: dict | None = None, **changes) -> dict:
    human = {"pairs": entry} if entry is not None else {}
    return human_pair_parameters(configured_study(**{**changes, "human": {**changes.get("human", {}), **human}}))


def test_every_key_has_a_default():
    human = CONFIG["human"]
    values = pairs_of()
    names = ["sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe"]  # as a judge of pairs compares
    assert [method["name"] for method in values["methods"]] == names
    assert values["by"] == CONFIG["seed_selector"] and values["schedule"] == {"kind": "baseline", "baseline": "sd"}
    assert (values["prompts"], values["seed"], values["raters"]) == (human["prompts"], human["seed"], human["raters"])
    candidates = {method["name"]: method["candidates"] for method in values["methods"]}
    assert len(candidates["sd"]) == 1 and len(candidates["multi_seed"]) == 2 and len(candidates["detailscribe"]) == 4


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"methods": ["sd", "gpt_refine"]}, {"by": ""}),  # one image each: no metric selects
        ({"by": "image_reward"}, {"by": "image_reward"}),
        ({"by": "judge-main"}, {"by": "judge-main"}),
        ({"schedule": "all"}, {"schedule": {"kind": "all"}}),
        ({"schedule": "balanced"}, {"schedule": {"kind": "balanced", "per_prompt": 5}}),
        ({"schedule": "balanced", "per_prompt": 15}, {"schedule": {"kind": "balanced", "per_prompt": 15}}),
        ({"prompts": 7, "raters": ["cy"]}, {"prompts": 7, "raters": ["cy"]}),
    ],
)
def test_a_key_decides(entry, expected):
    values = pairs_of(entry)
    assert {name: values[name] for name in expected} == expected


def test_without_a_list_only_methods_of_the_study_are_compared_and_the_baseline_is():
    changes = {"human": {"methods": ["gpt_refine", "ablation", "elsewhere"]}}
    assert [method["name"] for method in pairs_of(**changes)["methods"]] == ["sd", "gpt_refine", "ablation"]


def test_a_selection_of_the_graph_is_its_own_image():
    chosen = {"selections": {"best": {"among": ["detailscribe-k0", "detailscribe-k1"], "by": "clip_score"}}}
    values = pairs_of({"methods": ["sd", "best"]}, **chosen)
    assert values["methods"][1] == {"name": "best", "candidates": ["best"]} and values["by"] == ""


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"methods": ["sd", "hostd"]}, "methods: 'hostd' is not one of the methods: did you mean hosted"),
        ({"methods": ["sd"]}, "methods: sd: a pair needs two methods; name another"),
        ({"by": "beauty"}, "by: 'beauty' is not one of metrics and judges"),
        ({"methods": ["hosted", "gpt_refine"]}, "schedule baseline compares with `statistics: baseline: sd`"),
        ({"per_prompt": 2}, "per_prompt: only schedule balanced reads it, and this one is baseline; remove it"),
        ({"schedule": "balanced", "per_prompt": 16}, "per_prompt: 6 methods make 15 pairs, not 16"),
    ],
)
def test_a_contradiction_is_named(entry, sentence):
    with pytest.raises(InputError, match="human: pairs: ") as error:
        pairs_of(entry)
    assert sentence in str(error.value)


def test_seeds_that_only_the_tables_know_are_not_compared():
    by_seconds = {"budget": {"equal_compute": "gpu_seconds", "in_tables": True}}
    listed = {"human": {"methods": ["sd", "hosted", "equal_compute_seeds"]}}
    assert "equal_compute_seeds" not in [each["name"] for each in pairs_of(**by_seconds, **listed)["methods"]]
    assert "equal_compute_seeds" in [each["name"] for each in pairs_of(**listed)["methods"]]
    with pytest.raises(InputError, match="known only in the tables"):
        pairs_of({"methods": ["sd", "equal_compute_seeds"]}, **by_seconds)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [(None, "balanced"), ({"raters": ["cy"], "methods": []}, "balanced"), ({"schedule": "all"}, "all")],
)
def test_without_a_baseline_that_can_be_shown_the_sheets_are_balanced(entry, kind):
    changes = {
        "budget": {"equal_compute": "gpu_seconds", "in_tables": True},
        "statistics": {"baseline": "equal_compute_seeds"},
        "judges": {"demo_pairs": None},
    }
    values = pairs_of(entry, **changes)
    names = [each["name"] for each in values["methods"]]
    assert values["schedule"]["kind"] == kind and "equal_compute_seeds" not in names
    images = {name: f"{name}.jpg" for name in names}
    prompts = [{"id": f"p-{n}", "topic": "", "prompt": "", "image_sets": images, "images": images} for n in range(9)]
    key = assign_pairs("ann", prompts, values, str)
    assert {row[side] for row in key for side in ("first", "second")} == set(names)
    for wrong in ({"schedule": "baseline"}, {"methods": ["sd", "hosted"]}):
        with pytest.raises(
            InputError, match="human: pairs: methods: schedule baseline .* the tables alone know; set sch"
        ):
            pairs_of(wrong, **changes)
