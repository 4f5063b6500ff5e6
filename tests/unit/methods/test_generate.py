"""Image requests of the generate stage: from prompts, and from rewritten prompts."""

from detailscribe.images.generate import ImageGenerator
from detailscribe.methods.generate import requests_from_text

RECORDS = [{"id": "a", "prompt": "A fox."}, {"id": "b", "prompt": "A hen."}]


def test_each_prompt_is_requested_with_the_seed(image_generator: ImageGenerator):
    requests = requests_from_text(RECORDS, None, "original-7", image_generator)
    assert [(each.id, each.image_set, each.prompt, each.seed, each.k) for each in requests] == [
        ("a", "original-7", "A fox.", 7, None),
        ("b", "original-7", "A hen.", 7, None),
    ]
    assert len({each.key for each in requests}) == 2


def test_a_rewritten_prompt_is_requested_in_place_of_the_prompt(image_generator: ImageGenerator):
    texts = {
        "a": {"id": "a", "status": "ok", "reason": "", "refined_prompt": "A red fox."},
        "b": {"id": "b", "status": "refused", "reason": "no", "refined_prompt": None},
    }
    made, skipped = requests_from_text(RECORDS, texts, "gpt_rewrite", image_generator)
    assert (made.status, made.prompt) == ("ok", "A red fox.")
    assert (skipped.status, skipped.reason, skipped.recipe) == ("skipped", "rewrite refused: no", {})
