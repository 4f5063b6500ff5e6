"""Best of N: images by number or by budget, seeds that are derived, and what it costs."""

import pytest

from detailscribe.methods.refiners import best_of
from detailscribe.study.methods import denoising_steps_by_method
from tests.unit.study.configured import CONFIG, configured_study

INITIAL = f"original-{CONFIG['seeds'][0]}"
BEST = {"refiner": "best_of", "verifier": "judge-main"}


@pytest.mark.parametrize(
    ("entry", "steps", "images"),
    [({"n": 2}, 28, 2), ({"budget_steps": 140}, 28, 5), ({"budget_steps": 139}, 28, 4), ({"budget_steps": 10}, 5, 2)],
)
def test_the_images_are_the_initial_one_and_as_many_more_as_the_budget_holds(entry, steps, images):
    critics = {"ablation": None, "detailscribe": {"after_step": [1]}}
    study = configured_study(refiners={"best": BEST | entry}, generation={"steps": steps}, critics=critics)
    selection = study.graph.selections["best"]
    assert selection.among == (INITIAL, *(f"best-{number}" for number in range(2, images + 1)))
    assert denoising_steps_by_method(study)["best"] == steps * images
    [row] = [method for method in study.methods() if method.name.startswith("best")]
    assert (row.name, row.headline) == ("best", "by:judge-main")


def test_an_image_is_a_plain_run_at_a_seed_that_is_the_same_for_every_prompt(source, recipes):
    requests = [best_of.request(source, f"best-{number}", {"number": number}, recipes) for number in (2, 3)]
    assert len({request.seed for request in requests} | {7, 11}) == 4
    for request in requests:
        assert request.key == recipes.from_noise_request("b", "x", source.text, seed=request.seed).key
