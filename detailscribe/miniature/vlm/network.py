"""The small vision-language model: a LLaVA with CLIP's image encoder and a Llama, and its training loss.

Its image encoder starts from the trained CLIP. The judge, a detector, shares no weights with it.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature.models import clip
from detailscribe.miniature.models.training import Plan, augmented, image_batch, normalised
from detailscribe.miniature.models.vqa_questions import PATCH_PX, patch_targets
from detailscribe.miniature.vlm.lessons import Lesson, random_lesson
from detailscribe.miniature.vlm.tokens import END, IMAGE, IMAGE_TOKENS, PAD, tokenizer, vocabulary
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import ENTITIES

PLAN = Plan(steps=7800, rounds=3, batch=16, rate=1e-3, falls=0.5, average=0.998, half=True, compiled=False, seed=7)
WIDTH, LAYERS, HEADS, INNER = 144, 4, 4, 384  # of the Llama
CONTEXT = 1024
POSITIVE = 4.0  # weight of a covering entity in the patch loss
IGNORED = -100  # target of tokens that are no answer


class VlmModel(nn.Module):
    """The LLaVA, and an auxiliary head for the entities per patch, which is not shipped."""

    def __init__(self):
        super().__init__()
        self.model = llava()
        self.entity_there = nn.Linear(clip.CONFIG["vision_cfg"]["width"], len(ENTITIES))

    def forward(self, images: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the next token, and of the entities per patch.

        Args:
            images: (images, 3, 96, 96), float32, normalised as for CLIP; in the order of their tokens in `ids`.
            ids: (batch, tokens), int64.
            mask: (batch, tokens), int64, 0 for padding.

        Returns:
            (batch, tokens, vocabulary), float32, and (images, 36 patches, 24 entities), float32.
        """
        inner = self.model.model
        patches = inner.vision_tower(images).last_hidden_state[:, 1:]
        embeds = inner.get_input_embeddings()(ids)
        seen = inner.multi_modal_projector(patches).to(embeds.dtype)
        embeds = embeds.masked_scatter((ids == _image_id())[..., None], seen)
        states = inner.language_model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).last_hidden_state
        return self.model.lm_head(states), self.entity_there(patches)


def llava():
    """The untrained LLaVA."""
    from transformers import CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    pieces, vision = vocabulary(), clip.CONFIG["vision_cfg"]
    end, pad = pieces.index(END), pieces.index(PAD)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            image_size=SIDE_PX,
            patch_size=PATCH_PX,
            hidden_size=vision["width"],
            intermediate_size=4 * vision["width"],
            num_hidden_layers=vision["layers"],
            num_attention_heads=vision["width"] // vision["head_width"],
            projection_dim=clip.CONFIG["embed_dim"],
            hidden_act="gelu",
        ),
        text_config=LlamaConfig(
            vocab_size=len(pieces),
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
        ),
        image_token_index=_image_id(),
        image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=end, pad_token_id=pad)
    return model


def build() -> VlmModel:
    """The untrained model."""
    return VlmModel()


@torch.no_grad()
def initialise_from(model: VlmModel, trained_clip: Any) -> None:
    """Copy the image encoder of a trained CLIP, for images that are normalised as CLIP's are."""
    state = clip.with_normalised_input(trained_clip.state_dict())
    vision = {
        "embeddings.class_embedding": state["visual.class_embedding"],
        "embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "pre_layrnorm.weight": state["visual.ln_pre.weight"],
        "pre_layrnorm.bias": state["visual.ln_pre.bias"],
        "post_layernorm.weight": state["visual.ln_post.weight"],
        "post_layernorm.bias": state["visual.ln_post.bias"],
    }
    layers = clip.transformers_layers(state, "visual.transformer.resblocks.")
    vision |= {f"encoder.layers.{name}": tensor for name, tensor in layers.items()}
    tower = model.model.model.vision_tower
    tower = getattr(tower, "vision_model", tower)
    tower.load_state_dict(vision)


class Loss:
    """Cross-entropy of the answers' tokens, and of the entities per patch."""

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model: VlmModel, rng: np.random.Generator, batch: int) -> torch.Tensor:
        lessons = sorted((random_lesson(rng) for _ in range(batch)), key=lambda lesson: len(_lesson_ids(lesson)[0]))
        half = batch // 2  # the shorter ones apart, which saves padding
        parts = [self._losses(model, each, rng) for each in (lessons[:half], lessons[half:])]
        answers, patches = (torch.cat(values).mean() for values in zip(*parts, strict=True))
        return answers + 0.5 * patches

    def _losses(
        self, model: VlmModel, lessons: list[Lesson], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses of each token of the answers, and of each patch and entity."""
        scenes = [scene for lesson in lessons for scene in lesson.scenes]
        images = image_batch([draw_scene(scene, self._sprites) for scene in scenes], self._device)
        ids, mask, answers = (each.to(self._device) for each in token_batch(lessons))
        logits, patch_logits = model(normalised(augmented(images, rng)), ids, mask)
        counted = answers[:, 1:] != IGNORED
        losses = functional.cross_entropy(logits[:, :-1][counted].float(), answers[:, 1:][counted], reduction="none")
        covered = torch.from_numpy(np.stack([patch_targets(scene.boxes()) for scene in scenes])).to(self._device)
        return losses, functional.binary_cross_entropy_with_logits(
            patch_logits.float(), covered, reduction="none", pos_weight=torch.tensor(POSITIVE, device=self._device)
        ).flatten()


def token_batch(lessons: list[Lesson]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lessons as token ids, their mask, and the targets: the answers' tokens, -100 elsewhere.

    Returns:
        Three tensors of (lessons, tokens), int64.
    """
    rows = [_lesson_ids(lesson) for lesson in lessons]
    longest = max(len(ids) for ids, _ in rows)
    pad = vocabulary().index(PAD)
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in rows])
    answers = torch.tensor([row + [IGNORED] * (longest - len(row)) for _, row in rows])
    return ids, mask, answers


@lru_cache(maxsize=64)
def _lesson_ids(lesson: Lesson) -> tuple[list[int], list[int]]:
    """Token ids of a lesson as the chat template writes it, and the targets."""
    encode = tokenizer()
    ids: list[int] = []
    answers: list[int] = []
    images = f"{IMAGE * IMAGE_TOKENS}" * len(lesson.scenes)
    for turn, (question, answer) in enumerate(lesson.turns):
        asked = encode(
            f"user: {images if turn == 0 else ''}{question}\nassistant: ", add_special_tokens=False
        ).input_ids
        said = encode(answer, add_special_tokens=False).input_ids + [encode.eos_token_id]
        ids += asked + said
        answers += [IGNORED] * len(asked) + said
    return ids, answers


def _image_id() -> int:
    return vocabulary().index(IMAGE)
