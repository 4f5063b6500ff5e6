"""Dollars per prompt of a comparison by the study's prices, and hours of people."""

from pathlib import Path

import pytest

from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MEANS, PAIRS, PILOT, Comparison
from detailscribe.operations.power.prices import rating_hours, read_prices
from detailscribe.operations.power.spreads import Spread
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import CONFIG, configured_study

SERVER = {
    **{"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "NO_KEY", "in_flight": 1, "timeout_s": 1},
    **{"max_retries": 0, "input_usd_per_million": 0.0, "output_usd_per_million": 1e6},  # a token of output is a dollar
}
TOKENS = 10  # of every answer
PAID = {"endpoint": "server", "model": "m"}
JUDGE = CONFIG["judges"]["main"] | PAID
VERSUS = {"template": "judge_pair"} | {
    **{"endpoint": "server", "model": "m", "scale": "pair", "reply": "brackets", "options": {}, "draws": 2},
    **{"scenario_templates": {}, "methods": ["sd", "gpt_rewrite", "detailscribe"], "schedule": "baseline"},
}


def prices(tmp_path: Path, monkeypatch, **changes):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources" / "miniature" / "sd3").mkdir(parents=True)
    config = {
        "endpoints": {"server": SERVER},
        "roles": {name: PAID for name in CONFIG["roles"]},
        "judges": {name: None for name in CONFIG["judges"] if name != "main"} | {"main": JUDGE},
        "plan": {"output_tokens": TOKENS},
    }
    study = configured_study(**config | changes)
    return read_prices(study, stage_parameters(study), tmp_path / "results", tmp_path / "exchanges")


def comparison(metric: str, method: str, design: str = MEANS, judge: str = "") -> Comparison:
    return Comparison("demo", design, metric, method, "sd", PILOT, Spread(1.0), 0.1, 1, judge)


@pytest.mark.parametrize(
    ("metric", "method", "draws", "answers"),
    [
        ("clip_score", "gpt_rewrite", 1, 1),
        ("clip_score", "detailscribe", 1, 2),  # a decomposition and a critique, for four candidates
        ("clip_score", "gpt_refine", 1, 1),
        ("clip_score", "multi_seed", 1, 0),
        ("clip_score", "hosted", 1, 0),  # at the endpoint of the stand-in
        ("judge-main", "gpt_rewrite", 1, 1 + 2),
        ("judge-main", "gpt_rewrite", 3, 1 + 6),
        ("judge-main", "detailscribe", 1, 2 + 5),
        ("judge-main", "multi_seed", 2, 4),
    ],
)
def test_a_comparison_pays_for_what_its_images_need_and_for_its_judge(
    tmp_path, monkeypatch, metric, method, draws, answers
):
    found = prices(tmp_path, monkeypatch).usd_per_prompt(comparison(metric, method), draws)
    assert found == pytest.approx(answers * TOKENS)


def test_a_judge_of_pairs_is_paid_for_both_orders_and_its_draws(tmp_path, monkeypatch):
    changes = {"judges": {name: None for name in CONFIG["judges"] if name != "main"} | {"versus": VERSUS}}
    found = prices(tmp_path, monkeypatch, **changes)
    assert found.usd_per_prompt(comparison("versus", "gpt_rewrite", PAIRS), 2) == pytest.approx((1 + 2 * 2) * TOKENS)


def test_people_pay_for_the_images_and_their_helper(tmp_path, monkeypatch):
    found = prices(tmp_path, monkeypatch)
    assert found.usd_per_prompt(comparison(HUMAN, "gpt_rewrite"), 4) == pytest.approx(TOKENS)
    assisted = comparison(HUMAN, "gpt_rewrite", ASSISTED, "judge-main")
    assert found.usd_per_prompt(assisted, 4) == pytest.approx(3 * TOKENS)


def test_any_method_pays_for_the_whole_study(tmp_path, monkeypatch):
    found = prices(tmp_path, monkeypatch)
    stages = sum(found.stages.values())
    assert stages == pytest.approx(5 * TOKENS)  # decomposition, rewrite and three critics
    assert found.usd_per_prompt(comparison("clip_score", "any method"), 1) == pytest.approx(stages)


def test_a_judge_that_the_study_does_not_have_has_no_price(tmp_path, monkeypatch):
    assert prices(tmp_path, monkeypatch).usd_per_prompt(comparison("judge-other", "gpt_rewrite"), 1) is None


@pytest.mark.parametrize(
    ("metric", "method", "design", "images"),
    [
        (HUMAN, "gpt_rewrite", MEANS, 2),
        (HUMAN, "detailscribe", ASSISTED, 5),
        (HUMAN, "detailscribe", PAIRS, 1),
        (HUMAN, "any method", MEANS, 9),
        ("judge-main", "gpt_rewrite", MEANS, 0),
    ],
)
def test_each_rater_sees_each_image_of_both_methods(metric, method, design, images):
    hours = rating_hours(configured_study(), comparison(metric, method, design), 3, 20)
    assert hours == pytest.approx(images * 3 * 20 / 3600)
