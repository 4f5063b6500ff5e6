"""Models of the miniature: generated images, tokenizers, and agreement with the trained networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.engines.load import load_engine
from detailscribe.miniature import shipped
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.models import clip, detection, detector, training, vqa
from detailscribe.miniature.models.bert_tokens import bert_ids, bert_tokenizer
from detailscribe.miniature.models.clip_tokens import open_clip_tokenizer, small_ids
from detailscribe.miniature.models.sd3_text import T5_TOKENS, token_ids
from detailscribe.miniature.models.vqa_questions import patch_targets
from detailscribe.miniature.stand_in_seeing import facts_shown, look, relation_stands
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.drawing import background_image, draw_scene
from detailscribe.miniature.world.facts import FACTS, fact_sentences
from detailscribe.miniature.world.scenes import Scene, random_scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, ENTITIES

PROMPTS = [
    "A fox holding a balloon on the beach.",
    "A circle of stars around a dog on the beach.",
    "A row of cakes under a monkey at night.",
    "A dog facing a frog on the grass.",
]
SEEDS = range(6)


@pytest.fixture(scope="module")
def engine(miniature):
    model = {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(miniature / "sd3"),
        "revision": "",
        "precision": "fp32",
        "offload": "none",
        "size_px": 96,
        "max_sequence_length": T5_TOKENS,
        "compile": "none",
        "batch": "image",
        "call": {},
    }
    return load_engine(model, {"steps": 28, "guidance": 4.5, "swap_pooled": False})


@pytest.fixture(scope="module")
def shown(engine) -> dict[str, np.ndarray]:
    """By what is added to the prompts: which facts images show; (prompts, seeds, 4), bool."""
    scenes = [parse_prompt(prompt) for prompt in PROMPTS]
    added = {"": [()] * len(scenes)} | {
        name: [[fact_sentences(scene)[FACTS.index(fact)] for fact in name.split()] for scene in scenes]
        for name in ("first second", "relation background")
    }
    return {
        name: np.array([[seen(engine, " ".join([prompt, *sentences]), scene, seed) for seed in SEEDS]
                        for prompt, scene, sentences in zip(PROMPTS, scenes, texts, strict=True)])
        for name, texts in added.items()
    }  # fmt: skip


def seen(engine, text: str, scene: Scene, seed: int) -> tuple[bool, ...]:
    """Which facts of a scene the judge sees in a generated image; a relation by what stands in it."""
    found = look(engine.generate(text, seed), 0.0)
    first, second, _, background = facts_shown(scene, found)
    return first, second, relation_stands(scene, found), background


@pytest.mark.slow
@pytest.mark.parametrize("named", ["first second", "relation background"])
def test_images_show_the_facts_that_a_prompt_adds_a_sentence_for(shown, named):
    facts = [FACTS.index(fact) for fact in named.split()]
    with_sentences, without = (shown[name][..., facts].mean() for name in (named, ""))
    assert with_sentences >= 0.85 and with_sentences > without + 0.05, (with_sentences, without)


def test_an_image_of_a_prompt_alone_fails_by_its_seed(shown):
    alone = shown[""]
    assert 0.3 < alone.mean() < 0.85, "many facts are wrong"
    assert alone.all(-1).mean() < 0.45
    assert sum(len({*map(tuple, of_prompt)}) >= 2 for of_prompt in alone) >= 3, "and which ones differs between seeds"


def test_images_depend_on_the_seed_and_any_text_gives_one(engine):
    first, other = (np.asarray(engine.generate(PROMPTS[0], seed), float) for seed in (1, 2))
    assert np.abs(first - other).mean() > 2
    assert engine.generate("Quizzical zebras, 42: ¿qué?", 1).size == (96, 96)


def test_the_pipeline_encodes_text_as_the_trained_encoders(engine):
    """Embeddings over CLIP's whole vocabulary equal those over the small one."""
    text = "A circle of apples around a pig at night. There are apples, each in sharp detail. It is all at night."
    embeds, _, pooled, _ = engine.pipe.encode_prompt(text, None, None, max_sequence_length=T5_TOKENS)
    denoiser = shipped.load_part("sd3")
    ids = token_ids([text])
    with torch.no_grad():
        first = denoiser.first(ids[0], output_hidden_states=True)
        second = denoiser.second(ids[1], output_hidden_states=True)
        third = denoiser.third(ids[2]).last_hidden_state
    assert torch.allclose(pooled, torch.cat([first.text_embeds, second.text_embeds], -1), atol=1e-5)
    expected = torch.cat([torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), third], 1)
    assert torch.allclose(embeds, expected, atol=1e-4)


def test_question_ids_are_those_of_berts_tokenizer():
    text = "a guitar on the right?"
    assert list(bert_ids(text, 12))[:8] == bert_tokenizer()(text).input_ids


def test_patch_targets_are_the_entities_over_patch_centres():
    targets = patch_targets([("cat", 24, 24, 48), ("guitar", 80, 8, 24)]).reshape(6, 6, -1)
    cat, guitar = (ENTITIES.index(entity) for entity in ("cat", "guitar"))
    assert targets[:3, :3, cat].all()
    assert targets[0, 4:, guitar].all()
    assert targets.sum() == 9 + 2


def test_blip_starts_from_clips_image_features():
    """Its patches before the first layer equal CLIP's, up to a scale per patch."""
    model, visual = vqa.build(), shipped.load_part("clip").visual
    vqa.initialise_from(model, shipped.load_part("clip"))
    images = training.image_batch([(255 * background_image(name)).astype(np.uint8) for name in BACKGROUNDS], "cpu")
    with torch.no_grad():
        patches = visual.conv1(images).flatten(2).transpose(1, 2) + visual.positional_embedding[1:]
        expected = visual.ln_pre(patches)
        found = model.model.vision_model.embeddings(training.normalised(images))[:, 1:]
    assert torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.99
    first = model.model.vision_model.encoder.layers[0].mlp.fc1.weight
    assert torch.equal(first, visual.transformer.resblocks[0].mlp.c_fc.weight)


def test_image_reward_shares_blips_image_encoder():
    ours, theirs = shipped.load_part("reward").model["vision"], shipped.load_part("vqa").model.vision_model
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)


def test_detection_in_numpy_agrees_with_the_trained_network():
    torch.manual_seed(0)
    network = detector.build().train()
    images = torch.rand(4, 3, 96, 96) * 2 - 1
    network(images)  # moves the running means away from where they begin
    network.eval()
    raw = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    with torch.no_grad():
        expected = network(training.image_batch(list(raw), torch.device("cpu"))).numpy()
    weights = {name: tensor.numpy() for name, tensor in detector.fold_batch_norm(network).items()}
    assert np.allclose(detection.detection_logits(weights, raw), expected, atol=1e-4)


def test_the_judge_finds_the_entities_of_a_scene(sprites):
    rng = np.random.default_rng(5)
    scenes = [random_scene(rng, held_out=True) for _ in range(40)]
    found = detection.detect([draw_scene(scene, sprites) for scene in scenes])
    assert sum(all(check_scene(scene, each)) for scene, each in zip(scenes, found, strict=True)) >= 38
    empty = detection.detect([draw_scene(replace(scene, shown=(False, False)), sprites) for scene in scenes])
    assert sum(map(len, empty)) <= 2


def test_clip_with_the_full_vocabulary_agrees_with_the_trained_one():
    import open_clip

    full = open_clip.CLIP(**clip.CONFIG).eval()
    full.load_state_dict(clip.with_normalised_input(clip.full_state(shipped.load_part("clip"))))
    texts = ["A photo depicts A cat holding a guitar.", "There are apples at the top."]
    images = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        seen = shipped.load_part("clip").encode_image(images)
        assert torch.allclose(seen, full.encode_image(training.normalised(images)), atol=1e-4)
        said = shipped.load_part("clip").encode_text(small_ids(texts))
        assert torch.allclose(said, full.encode_text(open_clip_tokenizer()(texts)), atol=1e-4)


def test_any_text_can_be_tokenized(engine):
    tokenizers = [engine.pipe.tokenizer, engine.pipe.tokenizer_2, engine.pipe.tokenizer_3]
    for tokenizer in tokenizers:
        ids = tokenizer("Quizzical zebras, 42 of them: ¿qué?").input_ids
        assert len(ids) > 10
        assert max(ids) < len(tokenizer)
        assert tokenizer.decode(tokenizer("a beaver").input_ids, skip_special_tokens=True).strip() == "a beaver"
    assert [tokenizer.pad_token for tokenizer in tokenizers] == ["<|endoftext|>", "!", "<pad>"]
