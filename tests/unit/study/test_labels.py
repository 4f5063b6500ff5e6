"""What people read in place of names: the paper's names where the models are its own, the user's, never two alike."""

import pytest

from detailscribe.errors import InputError
from detailscribe.scores.metric_facts import is_higher_better, metric_label, metric_labels, metric_scales
from detailscribe.study.methods import distinct_labels, image_set_label, image_set_labels, method_label, method_labels
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import CONFIG, configured_study

GPT = {"endpoint": "openai", "model": "gpt-4o"}
REAL = {
    "image_model": "sd35_large_fast",
    "roles": {"refine": GPT, "rewrite": {"endpoint": "openai", "model": "openai/GPT-4o"}},
    "external": {"hosted": {"endpoint": "openai", "model": "gpt-image-2"}},
    "judges": {"main": {"endpoint": "vllm", "model": "Qwen/Qwen2.5-VL-7B-Instruct"}},
}
METHODS = [  # configuration, method, label
    ({}, "sd", "SD (demo)"),
    ({}, "gpt_rewrite", "+ Rewrite"),
    ({}, "hosted", "hosted (placeholder)"),
    ({}, "detailscribe", "DetailScribe"),
    ({}, "ablation", "DetailScribe without decomposition"),
    ({}, "multi_seed", "best of 2 seeds"),
    ({}, "equal_compute_seeds", "best of 5 seeds (equal compute)"),
    ({"seeds": [1, 2, 3]}, "multi_seed", "best of 3 seeds"),
    (
        {"budget": {"in_tables": True, "equal_compute": "gpu_seconds"}},
        "equal_compute_seeds",
        "best of up to 5 seeds (equal compute)",
    ),
    (REAL, "sd", "SD 3.5"),
    (REAL, "gpt_rewrite", "+ GPT Rewrite"),
    (REAL, "gpt_refine", "+ GPT Refine"),
    (REAL, "hosted", "gpt-image-2"),
    ({"image_model": "qwen_image"}, "sd", "Qwen-Image"),
    ({"image_models": {"miniature": {"label": "Tiny"}}}, "sd", "Tiny"),
    ({"external": {"other": {"image_model": "sd3_medium"}}}, "other", "SD 3 medium"),
    ({"labels": {"methods": {"detailscribe": "Ours"}}}, "detailscribe", "Ours"),
    ({"labels": {"methods": {"ablation": "DetailScribe"}}}, "ablation", "DetailScribe (ablation)"),
    ({}, "no_such_method", "no_such_method"),
]
PARTS = "judge-" + next(name for name, judge in CONFIG["judges"].items() if judge.get("asks") == "parts")
METRICS = [
    ({}, "clip_score", "CLIPScore"),
    ({}, "judge-main", "judge main (mock)"),
    ({}, f"{PARTS}-geometric", "parts shown (geometric)"),
    ({"judges": {"as_released": CONFIG["judges"]["main"]}}, "judge-as_released", "judge as released (mock)"),
    (REAL, "judge-main", "judge main (Qwen2.5-VL-7B-Instruct)"),
    ({"metrics": {"large": {"module": "clip_score", "model": "x"}}}, "large", "CLIPScore (large)"),
    ({"metrics": {"hps_v3": {"module": "preference.hps_v3", "model": "MizzenAI/HPSv3"}}}, "hps_v3", "HPSv3"),
    ({"labels": {"metrics": {"judge-main": "GPT-4o"}}}, "judge-main", "GPT-4o"),
]


@pytest.mark.parametrize(("config", "method", "label"), METHODS)
def test_methods_are_called_as_in_the_paper_as_far_as_the_models_are_its_own(config, method, label):
    assert method_label(configured_study(**config), method) == label


@pytest.mark.parametrize(("config", "metric", "label"), METRICS)
def test_metrics_are_called_as_people_know_them(config, metric, label):
    assert metric_label(configured_study(**config), metric) == label


def test_a_plug_in_brings_its_label_or_has_its_name(tmp_path):
    code = "ALGORITHM = 1\nLIBRARIES = ()\nRANGE = [0, 10]\ndef load(parameters): ...\n"
    (tmp_path / "sharp.py").write_text(code + 'LABEL = "sharpness"\n')
    (tmp_path / "plain.py").write_text(code)
    study = configured_study(metrics={name: {"module": str(tmp_path / f"{name}.py")} for name in ("sharp", "plain")})
    assert metric_label(study, "sharp") == "sharpness" and metric_label(study, "plain") == "plain"
    scales = metric_scales(study)
    assert (
        scales["sharp"] == "0 to 10, higher is better" and scales["image_reward"] == "no fixed range, higher is better"
    )
    assert scales["judge-main"] == "1 to 5, higher is better"
    assert scales[PARTS] == "share of yes, 0 to 1, higher is better"
    assert is_higher_better(study, "sharp")


def test_image_sets_are_seeds_and_candidates():
    refined = {"soft": {"refiner": "sdedit", "strengths": [0.3, 0.6]}}
    study = configured_study(refiners=refined)
    labels = image_set_labels(study)
    assert [labels[name] for name in study.originals()] == [f"seed {number}" for number in range(1, 6)]
    assert labels["detailscribe-k2"] == "DetailScribe, k = 2" and labels["gpt_refine"] == "+ Refine"
    assert {"soft, strength = 0.3", "soft, strength = 0.6"} <= set(labels.values())
    assert len(set(labels.values())) == len(labels)
    assert image_set_label(study, "multi_seed") == "best of 2 seeds"


def test_labels_are_never_alike():
    assert distinct_labels({"a": "x", "b": "x", "x": "x", "c": "y"}) == {"a": "x (a)", "b": "x (b)", "x": "x", "c": "y"}
    study = configured_study()
    for labels in (method_labels(study), metric_labels(study)):
        assert len(set(labels.values())) == len(labels)


def test_labels_and_looks_are_in_parameters_of_figures_and_reports_alone():
    """So a name that people read redoes no image, score or table."""
    labels = {"methods": {"sd": "Base"}, "metrics": {"clip_score": "CLIP"}}
    changes = {"labels": labels, "figures": {"width_in": 5.5}, "image_models": {"miniature": {"label": "Tiny"}}}
    plain, own = stage_parameters(configured_study()), stage_parameters(configured_study(**changes))
    assert {name for name in plain if plain[name] != own[name]} <= {"figures", "report", "reports"}


@pytest.mark.parametrize(("group", "name"), [("methods", "detailscrib"), ("metrics", "clipscore")])
def test_a_label_of_nothing_is_refused_with_the_nearest_name(group, name):
    with pytest.raises(InputError, match=f"labels: {group}: '{name}' is not one of .*did you mean"):
        configured_study(labels={group: {name: "x"}})
