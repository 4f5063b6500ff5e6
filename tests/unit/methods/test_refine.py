"""Image requests of the refine stage: one per candidate, none from a critique that is not ok."""

from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import requests_from_critiques

RECORDS = [{"id": "a", "prompt": "A fox."}, {"id": "b", "prompt": "A hen."}]
CRITIQUES = {
    "a": {"id": "a", "status": "ok", "reason": "", "refined_prompt": "A red fox."},
    "b": {"id": "b", "status": "unparsed", "reason": "no <...>", "refined_prompt": None},
}


def test_each_candidate_switches_from_the_prompt_to_the_refined_one(recipes: ImageRecipes):
    recipes.parameters["candidates"] = {"mine-k1": 1, "mine-k4": 4}
    requests = requests_from_critiques(RECORDS, CRITIQUES, recipes)
    assert [(each.id, each.image_set, each.status, each.k) for each in requests] == [
        ("a", "mine-k1", "ok", 1),
        ("a", "mine-k4", "ok", 4),
        ("b", "mine-k1", "skipped", None),
        ("b", "mine-k4", "skipped", None),
    ]
    assert (requests[0].recipe["prompt"], requests[0].recipe["refined_prompt"]) == ("A fox.", "A red fox.")
    assert requests[2].reason == "critique unparsed: no <...>"


def test_a_candidate_from_scratch_uses_the_refined_prompt_alone(recipes: ImageRecipes):
    recipes.parameters["candidates"] = {"mine": None}
    request = requests_from_critiques(RECORDS, CRITIQUES, recipes)[0]
    assert (request.k, request.recipe["prompt"], "refined_prompt" in request.recipe) == (None, "A red fox.", False)
