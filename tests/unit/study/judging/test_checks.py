"""Judges that contradict themselves or another, and the images that a judge of critiques looks at."""

import pytest

from detailscribe.errors import InputError
from detailscribe.study.judging.audited import audited_images
from detailscribe.study.judging.judges import DEFAULTS, fill_judges
from detailscribe.study.stages import judging_tables, stage_outputs
from tests.unit.study.configured import CONFIG, configured_study

JUDGE = {key: value for key, value in CONFIG["judges"]["demo_parts"].items() if key != "asks"}
PARTS, REMARKS = JUDGE | {"asks": "parts"}, JUDGE | {"asks": "remarks", "template": "judge_remark"}


@pytest.mark.parametrize(
    ("judges", "message"),
    [
        ({"demo_parts": {"scale": "grade"}}, "judges: demo_parts: scale: 'grade'"),
        ({"demo_audit": {"scale": "grade"}}, "judges: demo_audit: scale: 'grade'"),
        ({"parts": PARTS | {"reading": "expected"}}, "set sampled or p_yes"),
        (
            {"parts": PARTS | {"critics": ["detailscribe"]}},
            "judges: parts: critics: only a judge that is asked about remarks",
        ),
        ({"parts": PARTS | {"control": True}}, "judges: parts: control: only a judge that is asked about remarks"),
        ({"main": {"control": True}}, "judges: main: control: only a judge that is asked about remarks"),
        ({"audit": REMARKS | {"critics": ["detailscrib"]}}, "there is no critic 'detailscrib'"),
        ({"x": PARTS, "x-geometric": JUDGE}, "two entries give the metric 'judge-x-geometric'; rename one"),
    ],
)
def test_judges_that_contradict_themselves_are_refused(judges, message):
    with pytest.raises(InputError, match="judges") as error:
        configured_study(judges=judges)
    assert message in str(error.value)


# A study without critics.
WITHOUT_CRITICS = {"critics": dict.fromkeys(CONFIG["critics"])}


def test_a_judge_of_the_demo_without_a_critic_is_asked_nothing():
    [name] = configured_study().judges_asked("remarks")
    study = configured_study(**WITHOUT_CRITICS)
    assert CONFIG["judges"][name]["demo"] and name in study.judging
    assert study.judges_asked("remarks") == stage_outputs(study, "audit") == []
    assert "critique_audit" not in judging_tables(study) and "parts" in judging_tables(study)


def test_another_judge_without_a_critic_is_refused():
    with pytest.raises(
        InputError, match=r"judges: audit: asks: remarks: the study has no critic to check; .* remove the judge"
    ):
        configured_study(judges={"audit": REMARKS | {"demo": False}}, **WITHOUT_CRITICS)


@pytest.mark.parametrize("by", ["judge-parts", "judge-parts-geometric", "judge-audit"])
def test_no_selection_is_made_by_a_judge_of_parts_or_remarks(by):
    with pytest.raises(InputError, match="selections: best: by"):
        configured_study(selections={"best": {"among": ["initial", "gpt_rewrite"], "by": by}})


def test_an_audit_looks_at_what_its_critic_saw_and_drew():
    second = CONFIG["critics"]["detailscribe"] | {"of": "best", "template": "critique_round", "after_step": [1]}
    study = configured_study(
        seeds=[1, 2],
        critics={"second": second},
        selections={"best": {"among": ["detailscribe-k0", "detailscribe-k1"], "by": "clip_score"}},
        judges={"audit": REMARKS | {"critics": ["second", "detailscribe"], "control": True}},
    )
    images = audited_images(study, "audit")
    assert list(images) == ["second", "detailscribe"]
    assert images["second"] == ("best", {"second-k1": 1}, [])  # other seeds tell nothing about a refined image
    assert images["detailscribe"].before == "original-1" and images["detailscribe"].control == ["original-2"]


def test_a_refiner_with_the_prompts_of_a_critic_belongs_to_its_audit():
    refiner = {"refiner": "sdedit", "text": "detailscribe", "strengths": [0.5]}
    study = configured_study(refiners={"again": refiner})
    after = audited_images(study, "demo_audit")["detailscribe"].after
    assert [name for name in after if name.startswith("again")] and after["detailscribe-k4"] == 4


def test_keys_that_a_judge_leaves_out_are_filled_in():
    short = {"endpoint": "mine", "model": "m", "template": "judge_part", "asks": "parts", "scale": "yes_no"}
    config = {"judges": {"short": dict(short), "own": short | {"draws": 3, "reply": "structured"}, "odd": None}}
    fill_judges(config)
    assert config["judges"]["short"] == short | DEFAULTS
    assert config["judges"]["own"] == short | DEFAULTS | {"draws": 3, "reply": "structured"}
    assert config["judges"]["odd"] is None and config["judges"]["short"]["options"] is not DEFAULTS["options"]
