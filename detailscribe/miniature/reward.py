"""The miniature's ImageReward: of two pictures or two captions, which goes with the other.

It begins with the encoders of the miniature's BLIP-VQA, as the real one begins with BLIP's; that of pictures stays as
it is, as most layers of the real one did.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature import blip, vqa, world
from detailscribe.miniature.training import Plan, disturbed, normalised, pixels

PLAN = Plan(steps=2400, batch=24, rate=7e-4, falls=0.6, compiled=False, seed=5)
TOKENS = 24  # as long as captions get; the metric reads 35
CENTRE = 0.003  # weight that keeps rewards near 0


class RewardModel(nn.Module):
    """ImageReward with several captions a picture: rewards, n x captions."""

    def __init__(self):
        super().__init__()
        self.model = blip.image_reward(vqa.words(), vqa.SIZES)

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Args: images, n x 3 x 96 x 96, normalised; ids, n x captions x 24, padded with 0."""
        seen = self.model["vision"](pixel_values=images).last_hidden_state.repeat_interleave(ids.shape[1], 0)
        flat = ids.flatten(0, 1)
        read = self.model["text"](
            input_ids=flat, attention_mask=(flat != 0).long(), encoder_hidden_states=seen
        ).last_hidden_state[:, 0]
        for layer in self.model["mlp"].values():
            read = layer(read)
        return read.view(ids.shape[:2])


def build() -> RewardModel:
    """The model, untrained."""
    return RewardModel()


def begin(model: RewardModel, answering: vqa.VqaModel) -> None:
    """Take over the encoders of a trained BLIP-VQA; that of pictures learns no more."""
    model.model["vision"].load_state_dict(answering.model.vision_model.state_dict())
    model.model["vision"].requires_grad_(False)
    model.model["text"].load_state_dict(answering.model.text_encoder.state_dict())


class Loss:
    """Bradley and Terry's, over a scene, one that differs in one thing, and one with a part missing."""

    def __init__(self, sprites: dict, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        images, texts = [], []
        for _ in range(batch):
            scene = world.random_scene(rng)
            other = world.wrong_scene(scene, rng)
            partial = replace(scene, shown=(True, False) if rng.random() < 0.7 else (False, True))
            images += [world.draw(each, self._sprites) for each in (scene, other, partial)]
            where = bool(rng.random() < 0.8)
            said = [vqa.ids(world.caption(each, rng, where), TOKENS) for each in (scene, other)]
            texts += [said] * 3
        shown = normalised(disturbed(pixels(images, self._device), rng))
        rewards = model(shown, torch.tensor(texts, device=self._device)).float().view(batch, 3, 2)
        right, swapped = rewards[:, 0, 0], rewards[:, 1, 1]
        pairs = [
            (right, rewards[:, 0, 1]), (right, rewards[:, 1, 0]), (right, rewards[:, 2, 0]),
            (swapped, rewards[:, 0, 1]), (swapped, rewards[:, 1, 0]),
        ]  # fmt: skip
        lost = torch.stack([functional.softplus(worse - better) for better, worse in pairs]).mean()
        return lost + CENTRE * (rewards**2).mean()
