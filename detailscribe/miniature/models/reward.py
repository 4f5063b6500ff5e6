"""ImageReward of the miniature: a preference model over images and captions.

It starts from the encoders of the miniature's BLIP-VQA, as the real one starts from BLIP's; the image encoder is
frozen, as most layers of the real one were.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature.models import blip
from detailscribe.miniature.models.bert_tokens import bert_ids, bert_words
from detailscribe.miniature.models.training import Plan, augmented, image_batch, normalised
from detailscribe.miniature.models.vqa import SIZES, VqaModel
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.noise import wrong_scene
from detailscribe.miniature.world.scenes import random_scene
from detailscribe.miniature.world.sprites import Sprites

PLAN = Plan(steps=2400, batch=24, rate=7e-4, falls=0.6, compiled=False, seed=5)
TOKENS = 24  # the longest caption; the metric reads 35
CENTRE = 0.003  # weight of the penalty on the squared reward


class RewardModel(nn.Module):
    """ImageReward with several captions per image."""

    def __init__(self):
        super().__init__()
        self.model = blip.image_reward(bert_words(), SIZES)

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Rewards of each image's captions.

        Args:
            images: (batch, 3, 96, 96), float32, normalised as for CLIP.
            ids: (batch, captions, 24), int64, padded with 0.

        Returns:
            (batch, captions), float32.
        """
        patches = self.model["vision"](pixel_values=images).last_hidden_state.repeat_interleave(ids.shape[1], 0)
        flat = ids.flatten(0, 1)
        features = self.model["text"](
            input_ids=flat, attention_mask=(flat != 0).long(), encoder_hidden_states=patches
        ).last_hidden_state[:, 0]
        for layer in self.model["mlp"].values():
            features = layer(features)
        return features.view(ids.shape[:2])


def build() -> RewardModel:
    """The untrained model."""
    return RewardModel()


def initialise_from(model: RewardModel, vqa_model: VqaModel) -> None:
    """Copy the encoders of a trained BLIP-VQA and freeze the image encoder."""
    model.model["vision"].load_state_dict(vqa_model.model.vision_model.state_dict())
    model.model["vision"].requires_grad_(False)
    model.model["text"].load_state_dict(vqa_model.model.text_encoder.state_dict())


class Loss:
    """Bradley-Terry loss over a scene, a scene that differs in one thing, and one with a missing entity."""

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model: RewardModel, rng: np.random.Generator, batch: int) -> torch.Tensor:
        drawn, texts = [], []
        for _ in range(batch):
            scene = random_scene(rng)
            other = wrong_scene(scene, rng)
            partial = replace(scene, shown=(True, False) if rng.random() < 0.7 else (False, True))
            drawn += [draw_scene(each, self._sprites) for each in (scene, other, partial)]
            background = bool(rng.random() < 0.8)
            captions = [bert_ids(random_caption(each, rng, background), TOKENS) for each in (scene, other)]
            texts += [captions] * 3
        images = normalised(augmented(image_batch(drawn, self._device), rng))
        rewards = model(images, torch.tensor(texts, device=self._device)).float().view(batch, 3, 2)
        right, swapped = rewards[:, 0, 0], rewards[:, 1, 1]
        pairs = [
            (right, rewards[:, 0, 1]), (right, rewards[:, 1, 0]), (right, rewards[:, 2, 0]),
            (swapped, rewards[:, 0, 1]), (swapped, rewards[:, 1, 0]),
        ]  # fmt: skip
        loss = torch.stack([functional.softplus(worse - better) for better, worse in pairs]).mean()
        return loss + CENTRE * (rewards**2).mean()
