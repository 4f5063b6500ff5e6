"""The small LLaVA: its size, its image encoder from CLIP, and the loss of its lessons."""

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.miniature import shipped
from detailscribe.miniature.models import training
from detailscribe.miniature.vlm import network
from detailscribe.miniature.vlm.lessons import Lesson, random_lesson
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import random_scene

LESSONS = [random_lesson(np.random.default_rng(seed)) for seed in range(12)]
BYTES = 8_000_000


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    built = network.build().eval()
    network.initialise_from(built, shipped.load_part("clip"))
    return built


def pixels(lessons: list[Lesson], sprites) -> torch.Tensor:
    images = [draw_scene(scene, sprites) for lesson in lessons for scene in lesson.scenes]
    return training.normalised(training.image_batch(images, "cpu"))


def test_it_has_at_most_eight_megabytes(model):
    tensors = {tensor.data_ptr(): tensor for tensor in model.model.state_dict().values()}
    assert sum(2 * tensor.numel() for tensor in tensors.values()) <= BYTES


def test_it_starts_from_clips_image_features(model, sprites):
    scenes = [random_scene(np.random.default_rng(seed)) for seed in range(4)]
    images = training.image_batch([draw_scene(scene, sprites) for scene in scenes], "cpu")
    visual = shipped.load_part("clip").visual
    with torch.no_grad():
        found = model.model.model.vision_tower(training.normalised(images))
        expected = visual(images)
        pooled = found.pooler_output @ visual.proj
    assert torch.nn.functional.cosine_similarity(pooled, expected, dim=-1).min() > 0.99
    assert found.last_hidden_state.shape == (4, 37, visual.conv1.out_channels)


def test_training_sees_what_the_served_model_sees(model, sprites):
    """The pass of the training and that of transformers give the same logits, for one image and for two."""
    lessons = sorted(LESSONS, key=lambda lesson: len(lesson.scenes))
    assert {len(lesson.scenes) for lesson in lessons} == {1, 2}
    ids, mask, _ = network.token_batch(lessons)
    images = pixels(lessons, sprites)
    with torch.no_grad():
        logits, _ = model(images, ids, mask)
        expected = model.model(input_ids=ids, pixel_values=images, attention_mask=mask).logits
    assert torch.allclose(logits[mask == 1], expected[mask == 1], atol=1e-4)


def test_padding_and_neighbours_change_nothing(model, sprites):
    ids, mask, _ = network.token_batch(LESSONS)
    with torch.no_grad():
        together, _ = model(pixels(LESSONS, sprites), ids, mask)
        for row, lesson in enumerate(LESSONS):
            alone, _ = model(pixels([lesson], sprites), *network.token_batch([lesson])[:2])
            assert torch.allclose(together[row, : alone.shape[1]], alone[0], atol=1e-4)


def test_an_answer_depends_on_the_image(model, sprites):
    lesson = next(lesson for lesson in LESSONS if len(lesson.scenes) == 2)
    ids, mask, _ = network.token_batch([lesson])
    images = pixels([lesson], sprites)
    with torch.no_grad():
        shown, swapped = (model(each, ids, mask)[0][0, -1] for each in (images, images.flip(0)))
    assert not torch.allclose(shown, swapped, atol=1e-5)


def test_only_answers_are_learnt():
    ids, mask, answers = network.token_batch(LESSONS)
    assert ids.shape == mask.shape == answers.shape
    assert torch.equal(answers[answers != network.IGNORED], ids[answers != network.IGNORED])
    assert (answers[mask == 0] == network.IGNORED).all()
    for row, lesson in enumerate(LESSONS):
        ends = (answers[row] == network.vocabulary().index(network.END)).sum()
        assert ends == len(lesson.turns), "each answer ends"


def test_a_step_of_training_moves_every_weight(sprites):
    torch.manual_seed(0)
    model = network.build()
    loss = network.Loss(sprites, torch.device("cpu"))
    value = loss(model, np.random.default_rng(0), 6)
    value.backward()
    assert 1 < float(value.detach()) < 20
    still = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()]
    assert all("post_layernorm" in name for name in still), still  # it is for CLIP's pooled output
