"""Image requests of the refine stage: one per candidate, none from a critique that is not ok, carried images."""

from pathlib import Path

import pytest

from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods import refine
from detailscribe.methods.refine import refinement_requests
from detailscribe.methods.refiners import sdedit
from detailscribe.study.refinements import CRITIQUE, FROM_SCRATCH, PROMPT_SWITCH, REWRITE, Refinement
from tests.refining import requests_from_critiques
from tests.unit.study.configured import configured_study

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


STOPPED = {
    "id": "a",
    "status": "nothing_to_correct",
    "reason": "",
    "refined_prompt": "A fox, round 1.",
    "critique": "-",
}
REFINED = {"id": "a", "status": "ok", "reason": "", "refined_prompt": "A red fox.", "critique": "-"}


def image_row(path="round_1/a.jpg", **changes) -> dict:
    """Row of an image of the round before."""
    row = {"id": "a", "status": "ok", "reason": "", "file": f"s/images/{path}", "path": path, "sha256": "5" * 64}
    return row | {"key": "4" * 64, "prompt": "A fox, round 1.", "seed": 99, "k": 1} | changes


def requests_of(
    refiner: str,
    recipes: ImageRecipes,
    text: dict | None,
    image: dict | None,
    text_stage=CRITIQUE,
    text_of="round_1",
    **values,
):
    """Requests of a refinement of round_1 for the first record."""
    looked_at = {"text_stage": text_stage, "text_of": text_of}
    refinement = Refinement("r", refiner, "round_1", {"r": values}, "critic" if text else "", **looked_at)
    recipes.parameters["refiner"] = {"name": refiner, "algorithm": 1}
    texts = {text["id"]: text} if text else None
    [request] = refinement_requests(RECORDS[:1], refinement, texts, {"a": image} if image else {}, recipes)
    return request


CASES = [(PROMPT_SWITCH, {"k": 1}), (FROM_SCRATCH, {}), ("sdedit", {"strength": 0.6})]


@pytest.mark.parametrize(("refiner", "values"), CASES)
def test_a_later_round_starts_from_the_prompt_and_the_seed_of_the_image(recipes, refiner, values):
    request = requests_of(refiner, recipes, REFINED, image_row(), **values)
    assert (request.status, request.seed, request.recipe["seed"]) == ("ok", 99, 99)
    assert request.prompt == "A red fox." and request.carried is None
    first = "A fox, round 1." if refiner == PROMPT_SWITCH else "A red fox."
    assert request.recipe["prompt"] == first
    assert ("image_sha256" in request.recipe) == (refiner == "sdedit") == bool(request.source)


@pytest.mark.parametrize("seed", [None, 7])
def test_an_image_without_a_seed_has_that_of_the_study(recipes, seed):
    request = requests_of(FROM_SCRATCH, recipes, REFINED, image_row(seed=seed))
    assert request.seed == recipes.parameters["seed"] == 7


def test_another_image_of_the_same_prompt_is_another_request(recipes):
    keys = {
        requests_of("sdedit", recipes, REFINED, image_row(sha256=sha256), strength=strength).key
        for sha256, strength in (("5" * 64, 0.6), ("6" * 64, 0.6), ("5" * 64, 0.3))
    }
    assert len(keys) == 3


@pytest.mark.parametrize(("refiner", "values"), CASES)
def test_where_nothing_is_to_correct_the_image_is_carried(recipes, refiner, values):
    image = image_row(state={"shifts": [[1, 0.3]]})
    request = requests_of(refiner, recipes, STOPPED, image, **values)
    assert (request.carried, request.key, request.status) == (image, "4" * 64, "ok")
    assert (request.prompt, request.seed, request.k) == ("A fox, round 1.", 99, 1)
    assert request.drawn_by is None and request.recipe == {} and request.state == image["state"]


@pytest.mark.parametrize(("refiner", "values"), CASES)
@pytest.mark.parametrize(
    ("text", "image", "reason"),
    [
        (REFINED | {"status": "refused", "reason": "no"}, image_row(), "critique refused: no"),
        (
            {"id": "a", "status": "failed", "reason": "cut off", "refined_prompt": None},
            image_row(),
            "rewrite failed: cut off",
        ),
        (REFINED | {"id": "other"}, image_row(), "there is no row of critic"),
        (REFINED, None, "there is no image of round_1"),
        (REFINED, image_row(status="refused", reason="black"), "the image of round_1 is refused: black"),
        (STOPPED, image_row(status="failed", reason="x"), "the image of round_1 is failed: x"),
        (None, image_row(status="skipped", reason="no m of o2"), "the image of round_1 is skipped: no m of o2"),
    ],
)
def test_an_image_that_cannot_be_made_says_why(recipes, refiner, values, text, image, reason):
    stage = REWRITE if reason.startswith("rewrite") else CRITIQUE
    request = requests_of(refiner, recipes, text, image, stage, **values)
    assert (request.status, request.reason, request.recipe) == ("skipped", reason, {})


def test_a_refiner_without_a_text_draws_the_prompt_of_the_image(recipes):
    request = requests_of("sdedit", recipes, None, image_row(), strength=0.6)
    assert request.prompt == "A fox, round 1."
    assert requests_of("sdedit", recipes, None, image_row(prompt=None), strength=0.6).prompt == "A fox."


def test_an_importable_refiner_is_known_by_its_file_as_a_refiner_in_a_file_is(tmp_path, monkeypatch):
    module = tmp_path / "my_lab_refiner.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    shipped = Path(sdedit.__file__).read_text(encoding="utf-8")
    digests = []
    for text in (shipped, shipped + "# another version\n"):
        module.write_text(text, encoding="utf-8")
        for name in ("my_lab_refiner", str(module)):
            study = configured_study(refiners={"mine": {"refiner": name, "text": "detailscribe"}})
            digests.append(refine.parameters(study)["refine-mine"]["refiner"]["module_sha256"])
    assert digests[0] == digests[1] != digests[2] == digests[3]
    own = configured_study(refiners={"mine": {"refiner": "sdedit", "text": "detailscribe"}})
    assert "module_sha256" not in refine.parameters(own)["refine-mine"]["refiner"], "it has a number"


def test_an_approval_of_another_image_carries_none(recipes):
    approved = STOPPED | {"refined_prompt": "A fox, as the critic saw it."}
    request = requests_of(FROM_SCRATCH, recipes, approved, image_row(), text_of="initial")
    assert request.carried is None and (request.prompt, request.seed) == ("A fox, as the critic saw it.", 99)
