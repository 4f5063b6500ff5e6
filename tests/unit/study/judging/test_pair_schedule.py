"""Schedules of pairs: which pairs of a prompt are asked, how often each occurs, and what a configuration may say."""

from collections import Counter
from itertools import combinations

import pytest

from detailscribe.errors import InputError
from detailscribe.study.judging.pair_schedule import (
    ALL,
    BALANCED,
    BASELINE,
    candidates_of_pairs,
    compared_methods,
    images_of_pairs,
    schedule_of,
    scheduled_pairs,
    selector_of_pairs,
)
from tests.unit.study.configured import CONFIG, configured_study

JUDGE = {key: value for key, value in CONFIG["judges"]["demo_pairs"].items() if key != "demo"}
SECONDS = {"budget": {"in_tables": True, "equal_compute": "gpu_seconds"}}
IDS = [f"prompt-{n}" for n in range(1500)]


def letters(count: int) -> list[str]:
    return list("abcdefghijkl"[:count])


def study_of(**changes):
    return configured_study(judges={"demo_pairs": None, "j": JUDGE | changes})


@pytest.mark.parametrize(
    ("methods", "schedule", "pairs"),
    [
        ("abc", {"kind": BASELINE, "baseline": "a"}, "ba ca cb"),
        ("abcd", {"kind": BASELINE, "baseline": "a"}, "ba ca da cb dc"),
        ("abcd", {"kind": BASELINE, "baseline": "c"}, "ac bc dc ba"),  # the neighbours of c are its pairs already
        ("ab", {"kind": BASELINE, "baseline": "b"}, "ab"),
        ("abc", {"kind": ALL}, "ba ca cb"),
        ("a", {"kind": ALL}, ""),
        ("a", {"kind": BASELINE, "baseline": "a"}, ""),
        ("a", {"kind": BALANCED, "per_prompt": 0}, ""),
        ("ab", {"kind": BALANCED, "per_prompt": 1}, "ba"),
    ],
)
def test_pairs_of_a_prompt(methods, schedule, pairs):
    assert scheduled_pairs("any", list(methods), schedule) == [tuple(pair) for pair in pairs.split()]


def connected(methods: list[str], pairs: list[tuple[str, str]]) -> bool:
    groups = {name: {name} for name in methods}
    for one, other in pairs:
        joined = groups[one] | groups[other]
        groups.update(dict.fromkeys(joined, joined))
    return len(groups[methods[0]]) == len(methods)


@pytest.mark.parametrize("count", range(2, 10))
def test_a_balanced_schedule_connects_all_methods_and_asks_all_pairs_alike(count):
    methods = letters(count)
    every = list(combinations(methods, 2))
    for per_prompt in {1, count - 1, count, len(every) - 1, len(every)} - {0}:
        if per_prompt > len(every):
            continue
        schedule = {"kind": BALANCED, "per_prompt": per_prompt}
        counts: Counter = Counter()
        for id in IDS:
            pairs = scheduled_pairs(id, methods, schedule)
            assert len({frozenset(pair) for pair in pairs}) == len(pairs) == per_prompt
            assert all(methods.index(method) > methods.index(other) for method, other in pairs)
            if per_prompt >= count - 1:
                assert connected(methods, pairs)
                of_method = Counter(name for pair in pairs for name in pair)
                assert max(of_method.values()) - min(of_method.values()) <= 3
            counts.update(frozenset(pair) for pair in pairs)
        share = per_prompt / len(every)
        spread = (len(IDS) * share * (1 - share)) ** 0.5
        for pair in every:
            assert counts[frozenset(pair)] == pytest.approx(len(IDS) * share, abs=4.5 * spread + 1e-9)


def test_the_pairs_of_a_prompt_do_not_depend_on_the_order_of_the_list():
    schedule = {"kind": BALANCED, "per_prompt": 4}
    for id in IDS[:50]:
        one, other = (scheduled_pairs(id, methods, schedule) for methods in (list("abcde"), list("edcba")))
        assert [frozenset(pair) for pair in one] == [frozenset(pair) for pair in other]
    drawn = {tuple(scheduled_pairs(id, list("abcde"), schedule)) for id in IDS[:50]}
    assert len(drawn) > 30, "prompts have pairs of their own"


def test_methods_images_and_schedule_of_the_shipped_configuration():
    study = study_of()
    names = ["sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe"]
    assert [method.name for method in compared_methods(study, "j")] == names
    assert selector_of_pairs(study, "j") == "clip_score"
    assert schedule_of(study, "j") == {"kind": BASELINE, "baseline": "sd"}
    assert len(images_of_pairs(study, "j")) == 9 and "ablation-k0" not in images_of_pairs(study, "j")
    balanced = study_of(schedule=BALANCED, methods=["sd", "hosted", "detailscribe"])
    assert schedule_of(balanced, "j") == {"kind": BALANCED, "per_prompt": 2}
    assert schedule_of(study_of(schedule=BALANCED, per_prompt=9), "j")["per_prompt"] == 9
    assert schedule_of(study_of(schedule=ALL), "j") == {"kind": ALL}


def test_single_images_need_no_selector_and_a_selection_is_its_own_image():
    assert selector_of_pairs(study_of(methods=["sd", "hosted"]), "j") == ""
    study = configured_study(
        selections={"best": {"among": ["initial", "hosted"], "by": "clip_score"}},
        judges={"demo_pairs": None, "j": JUDGE | {"methods": ["sd", "best"]}},
    )
    assert candidates_of_pairs(study, "j") == {"sd": ["original-2628670643"], "best": ["best"]}
    assert selector_of_pairs(study, "j") == ""


def test_a_baseline_that_is_no_row_of_the_paper_is_compared_too():
    study = configured_study(judges={"demo_pairs": None, "j": JUDGE}, statistics={"baseline": "ablation"})
    assert compared_methods(study, "j")[-1].name == "ablation"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["sd", "hosed"]}, "methods: 'hosed' is not one of the methods: did you mean hosted?"),
        ({"methods": ["sd"]}, "methods: sd: a pair needs two methods; name another"),
        ({"by": "judge-main2"}, "by: 'judge-main2' is not one of metrics and judges (judge-NAME): did you mean"),
        ({"methods": ["hosted", "detailscribe"]}, "schedule baseline compares with `statistics: baseline: sd`"),
        ({"per_prompt": 2}, "per_prompt: only schedule balanced reads it, and this one is baseline"),
        ({"per_prompt": 2, "schedule": ALL}, "per_prompt: only schedule balanced reads it, and this one is all"),
        ({"per_prompt": 16, "schedule": BALANCED}, "per_prompt: 6 methods make 15 pairs, not 16"),
        ({"asks": "prompt"}, "asks: a judge of scale pair is asked about pairs"),
        ({"reading": "p_yes"}, "reading: 'p_yes' does not go with scale pair"),
        ({"scale": "grade", "methods": ["sd", "hosted"]}, "only a judge that is asked about pairs has it"),
    ],
)
def test_what_a_judge_of_pairs_cannot_be(changes, message):
    with pytest.raises(InputError) as caught:
        study_of(**changes)
    assert message in str(caught.value) and str(caught.value).startswith("judges: j: ")


def test_seeds_that_only_the_tables_decide_cannot_be_compared():
    with pytest.raises(InputError, match="the seeds of 'equal_compute_seeds' are known only in the tables"):
        configured_study(
            judges={"demo_pairs": None, "j": JUDGE | {"methods": ["sd", "equal_compute_seeds"]}}, **SECONDS
        )
    assert compared_methods(study_of(methods=["sd", "equal_compute_seeds"]), "j")


def test_a_baseline_that_only_the_tables_know_refuses_no_study_that_asks_nothing_of_it():
    study = configured_study(statistics={"baseline": "equal_compute_seeds"}, **SECONDS)
    names = [method.name for method in compared_methods(study, "demo_pairs")]
    assert names == ["sd", "gpt_rewrite", "gpt_refine", "multi_seed", "hosted", "detailscribe"]
    assert schedule_of(study, "demo_pairs") == {"kind": BALANCED, "per_prompt": 5}
    assert {
        name for id in IDS[:9] for pair in scheduled_pairs(id, names, schedule_of(study, "demo_pairs")) for name in pair
    } == set(names)
    by_default = {key: value for key, value in JUDGE.items() if key != "schedule"}
    for entry, kind in ((by_default, BALANCED), (JUDGE | {"schedule": ALL}, ALL)):
        asked = configured_study(
            judges={"demo_pairs": None, "j": entry}, statistics={"baseline": "equal_compute_seeds"}, **SECONDS
        )
        assert schedule_of(asked, "j")["kind"] == kind
    with pytest.raises(
        InputError, match="baseline: equal_compute_seeds`, whose images the tables alone know; set sched"
    ):
        configured_study(judges={"j": JUDGE}, statistics={"baseline": "equal_compute_seeds"}, **SECONDS)


def test_the_demo_judge_of_a_study_with_one_method_asks_nothing():
    one = {"critics": {name: None for name in CONFIG["critics"]}, "rewriters": {"gpt_rewrite": None}}
    study = configured_study(**one, external={"hosted": None}, seeds=[1], extra_seeds=[], human={"methods": ["sd"]})
    assert [method.name for method in compared_methods(study, "demo_pairs")] == ["sd"]
    assert scheduled_pairs("any", ["sd"], schedule_of(study, "demo_pairs")) == []
