"""Notice of a study: that of its own image model, and those of others after the image sets that they draw."""

import pytest

from detailscribe.report import scenario_site, study_site
from detailscribe.study.notices import demo_parts_of, study_notice
from detailscribe.tables import main_table
from detailscribe.tables.figures import plot
from tests.unit.study.configured import CONFIG, configured_study

OWN = CONFIG["image_models"]["miniature"]["notice"]


def study(image_model: str = "miniature", **notices: str):
    """A study with an external image set for each notice, drawn by a model of the set's name."""
    models = {name: CONFIG["image_models"]["miniature"] | {"notice": notice} for name, notice in notices.items()}
    models["plain"] = CONFIG["image_models"]["miniature"] | {"notice": ""}
    external = {f"{name}_set": {"image_model": name} for name in notices}
    return configured_study(
        image_model=image_model, image_models={**CONFIG["image_models"], **models}, external=external
    )


@pytest.mark.parametrize(
    ("image_model", "notices", "said"),
    [
        ("miniature", {}, OWN),
        ("miniature", {"second": ""}, OWN),
        ("miniature", {"second": OWN}, OWN),
        ("miniature", {"second": "Lossy."}, f"{OWN} second_set: Lossy."),
        ("plain", {"second": "Lossy."}, "second_set: Lossy."),
        ("plain", {"a": "Lossy.", "b": "Cached.", "c": "Lossy."}, "a_set, c_set: Lossy. b_set: Cached."),
        ("plain", {}, ""),
    ],
)
def test_each_notice_is_given_once_after_the_sets_that_it_is_about(image_model, notices, said):
    assert study_notice(study(image_model, **notices)) == said


def test_tables_figures_and_pages_show_the_notice_of_a_second_image_model():
    owners = (main_table, plot, scenario_site, study_site)
    for owner in owners:
        *_, values = owner.parameters(study("plain", second="Lossy.")).values()
        assert values["notice"] == "second_set: Lossy.", owner.__name__
        *_, values = owner.parameters(study("miniature")).values()
        assert values["notice"] == OWN, owner.__name__


def test_what_a_study_of_another_image_model_still_has_of_the_demo_is_named():
    assert demo_parts_of(configured_study()) == []
    (said,) = demo_parts_of(configured_study(image_model="flux_dev"))
    assert "draws with 'flux_dev'" in said and "roles: decompose, critique" in said
    assert "judges: main" in said and "external: hosted" in said and "metrics: clip_score" in said
    real = {name: {"endpoint": "openai", "model": "m"} for name in CONFIG["roles"]}
    judges = {name: {"endpoint": "openai", "model": "m"} for name in CONFIG["judges"]}
    metrics = {"clip_score": {"model": "ViT-B-32-quickgelu"}, "image_reward": None, "blip_vqa": None}
    settings = {"roles": real, "judges": judges, "external": {"hosted": None}, "metrics": metrics}
    assert demo_parts_of(configured_study(image_model="flux_dev", **settings)) == []
