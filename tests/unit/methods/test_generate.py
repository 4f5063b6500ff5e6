"""Image requests of the generate stage: from prompts, and from rewritten prompts."""

import pytest

from detailscribe.errors import InputError
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods import external
from detailscribe.methods.generate import parameters, requests_from_text
from tests.unit.study.configured import configured_study

RECORDS = [{"id": "a", "prompt": "A fox."}, {"id": "b", "prompt": "A hen."}]


def test_each_prompt_is_requested_with_the_seed(recipes: ImageRecipes):
    requests = requests_from_text(RECORDS, None, "original-7", recipes)
    assert [(each.id, each.image_set, each.prompt, each.seed, each.k) for each in requests] == [
        ("a", "original-7", "A fox.", 7, None),
        ("b", "original-7", "A hen.", 7, None),
    ]
    assert len({each.key for each in requests}) == 2


def test_a_rewritten_prompt_is_requested_in_place_of_the_prompt(recipes: ImageRecipes):
    texts = {
        "a": {"id": "a", "status": "ok", "reason": "", "refined_prompt": "A red fox."},
        "b": {"id": "b", "status": "refused", "reason": "no", "refined_prompt": None},
    }
    made, skipped = requests_from_text(RECORDS, texts, "gpt_rewrite", recipes)
    assert (made.status, made.prompt) == ("ok", "A red fox.")
    assert (skipped.status, skipped.reason, skipped.recipe) == ("skipped", "rewrite refused: no", {})


def test_a_second_image_model_draws_an_external_set_at_the_first_seed():
    study = configured_study(external={"hosted": None, "more": {"image_model": "flux_dev"}}, seeds=[7, 8])
    files = parameters(study)
    assert files["generate-more"]["model"]["path"] == "black-forest-labs/FLUX.1-dev"
    assert files["generate-more"]["seed"] == 7
    assert files["generate-more"]["generation"] == files["generate-7"]["generation"]
    assert {"offload", "batch", "notice"}.isdisjoint(files["generate-more"]["model"])
    assert external.parameters(study) == {}
    assert study.machine_with(study.drawn["more"]) == {"offload": "model", "batch": "image"}
    assert study.stage_by_image_set()["more"] == "external" and study.endpoint_of("external", "more") == ""
    assert {"more"} == {method.name for method in study.methods() if method.candidates == ("more",)}


def test_an_external_set_that_is_drawn_here_cannot_be_queried_again():
    with pytest.raises(InputError, match="refresh: 'more' is not one of"):
        configured_study(external={"hosted": None, "more": {"image_model": "flux_dev"}}, refresh={"more": 1})
