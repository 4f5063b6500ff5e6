"""Settings of refiners: one sentence for each wrong one, as the config is read, and derived seeds."""

import re

import pytest

from detailscribe.errors import InputError
from detailscribe.methods.refiners.settings import derived_seed
from tests.unit.study.configured import CONFIG, configured_study

SWITCH = {"refiner": "prompt_switch", "text": "detailscribe"}
SDEDIT = {"refiner": "sdedit", "text": "detailscribe"}
SEARCH = {"refiner": "noise_search", "verifier": "clip_score"}
BEST = {"refiner": "best_of", "verifier": "clip_score"}
EDITOR = {"refiner": "editor", "text": "detailscribe", "image_model": "kontext"}
KONTEXT = CONFIG["image_models"]["flux_dev"] | {"pipeline": "FluxKontextPipeline"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"refiner": "from_scratch"}, "from_scratch needs `text`, a critic or rewriter"),
        ({"refiner": "from_scratch", "text": "detailscribe", "k": 1}, "'k' is no setting of from_scratch"),
        ({"refiner": "prompt_switch"}, "prompt_switch needs `text`"),
        (SWITCH | {"after_step": 1}, "after_step must be a list, as its default [0, 1, 2, 4] is, got 1"),
        (SWITCH | {"after_step": []}, "after_step must be a list of steps k, got []"),
        (SWITCH | {"after_step": [1, 1]}, "after_step has 1 twice; remove one"),
        (SWITCH | {"after_step": [0, -1]}, "after_step: a step k is a whole number of at least 0, got -1"),
        (SWITCH | {"after_step": ["scratch"]}, "a step k is a whole number of at least 0, got 'scratch'"),
        (SWITCH | {"after_step": [True]}, "a step k is a whole number of at least 0, got True"),
        (SWITCH | {"after_step": [1, 27]}, "after_step 27 leaves no step for the refined prompt; with 28 steps"),
        (SDEDIT | {"strengths": 0.5}, "strengths must be a list, as its default [0.3, 0.6, 0.8] is, got 0.5"),
        (SDEDIT | {"strengths": [0.5, 0.5]}, "strengths has 0.5 twice; remove one"),
        (SDEDIT | {"strengths": [0]}, "a strength is a number of hundredths from 0.01 to 1, got 0"),
        (SDEDIT | {"strengths": [0.333]}, "a strength is a number of hundredths from 0.01 to 1, got 0.333"),
        (SDEDIT | {"strength": 0.5}, "'strength' is no setting of sdedit; its settings: strengths"),
        (SEARCH | {"verifier": ""}, "verifier must be a metric or a judge (judge-NAME), which selects the best image"),
        (SEARCH | {"verifier": "nobody"}, "'nobody' is not one of metrics and judges (judge-NAME): blip_vqa"),
        (SEARCH | {"rounds": 0}, "rounds must be a whole number from 1 to 64, got 0"),
        (SEARCH | {"rounds": 1.5}, "rounds must be a whole number from 1 to 64, got 1.5"),
        (SEARCH | {"neighbours": -1}, "neighbours must be a whole number from 0 to 256, got -1"),
        (SEARCH | {"neighbours": 0}, "round 1 of 2 draws nothing: neighbours is 0, and texts has none for it"),
        (SEARCH | {"neighbours": 0, "texts": [["gpt_rewrite"]]}, "round 2 of 2 draws nothing"),
        (SEARCH | {"share": 0}, "share must be a number above 0 and at most 1, got 0"),
        (SEARCH | {"share": "half"}, "share must be a number, as its default 0.3 is, got 'half'"),
        (SEARCH | {"texts": ["gpt_rewrite"]}, "texts must be a list of names for each round, as in [[NAME], [OTHER]]"),
        (SEARCH | {"texts": "gpt_rewrite"}, "texts must be a list, as its default [] is, got 'gpt_rewrite'"),
        (SEARCH | {"texts": [["gpt_rewrite", "gpt_rewrite"]]}, "texts has a name twice in a round"),
        (SEARCH | {"texts": [["nobody"]]}, "texts: 'nobody' is no critic and no rewriter; there are: detailscribe"),
        (SEARCH | {"texts": [[], [], ["gpt_rewrite"]]}, "texts has 3 rounds, and rounds is 2; raise rounds"),
        (SEARCH | {"texts": [["gpt_rewrite"]], "text": "gpt_refine"}, "give either text or texts, not both"),
        (BEST, "give one of n and budget_steps, not none"),
        (BEST | {"n": 3, "budget_steps": 84}, "give one of n and budget_steps, not n and budget_steps"),
        (BEST | {"n": 1}, "n must be a whole number from 2 to 1000, got 1"),
        (BEST | {"budget_steps": 55}, "budget_steps must be a whole number from 56 to 28000, got 55"),
        (SEARCH | {"rounds": 64, "neighbours": 256, "width": 200}, "together mean 3276800 images of a prompt"),
        (SEARCH | {"image_model": "flux_dev"}, "moves the noise, which only a StableDiffusion3Pipeline can"),
        (SDEDIT | {"image_model": "flux_dev"}, "and image_model is a FluxPipeline; name another image_model"),
        (EDITOR | {"image_model": "miniature"}, "image_model miniature is a StableDiffusion3Pipeline, which edits no"),
        (EDITOR | {"image_model": "flux_dev"}, "image_model flux_dev: FluxPipeline edits no image by an instruction"),
        (EDITOR | {"instruction": 3}, "instruction must be a text, as its default '{text}' is, got 3"),
        (SEARCH | {"rounds": True}, "rounds must be a number, as its default 2 is, got True"),
        (SEARCH | {"verifier": ["clip_score"]}, "verifier must be a text, as its default '' is, got ['clip_score']"),
        (BEST | {"n": "3"}, "n must be a whole number from 2 to 1000, got '3'"),  # a default None says nothing
        (EDITOR | {"image_model": ""}, "editor needs `image_model`, an entry of image_models that edits images"),
        (EDITOR | {"image_model": "nobody"}, "image_model: 'nobody' is not one of image_models"),
        (EDITOR | {"instruction": " "}, "instruction must be a text, got ' '"),
        (EDITOR | {"instruction": "{text"}, "instruction: expected '}' before end of string, in '{text'"),
        (EDITOR | {"instruction": "{critique}"}, "a field 'critique' in '{critique}', and there are: {text}"),
        (EDITOR | {"instruction": "{text.__class__}"}, "instruction has a field 'text.__class__'"),
        (EDITOR | {"instruction": "{text!r}"}, "instruction has a field 'text' in '{text!r}'"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_one_sentence_that_names_its_entry(entry, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        configured_study(refiners={"mine": entry}, image_models={"kontext": KONTEXT})
    assert "mine" in str(caught.value) and "\n" not in str(caught.value)


def test_a_derived_seed_is_decided_by_its_parts():
    seeds = [derived_seed(7, 2), derived_seed(7, 3), derived_seed(8, 2), derived_seed("7", 2), derived_seed(72)]
    assert seeds[0] == derived_seed(7, 2) and len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**48 for seed in seeds)
