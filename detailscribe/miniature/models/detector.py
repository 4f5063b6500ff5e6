"""Training of the judge's detector: a small convolutional network that finds entities and their positions.

It shares no weights and no class with the critic and never sees a caption: it is trained on scenes and on collages, in
which sprites appear anywhere. Sprites that are half one entity and half another, scrambled or faint are negatives.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature.models.detection import CELL_PX
from detailscribe.miniature.models.training import Plan, augmented, image_batch
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.drawing import CorruptedBox, draw_scene, random_collage
from detailscribe.miniature.world.noise import training_pair
from detailscribe.miniature.world.scenes import Box, random_scene
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import ENTITIES

PLAN = Plan(steps=3000, batch=32, rate=2e-3, falls=0.6, half=True, seed=3)
NEAR_PX, AROUND_PX = 7, 15  # cells this close to a centre are positive; up to AROUND_PX they are ignored


class Detector(nn.Module):
    """Logits of every entity per cell of 8 x 8 pixels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 5, 2, 2), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 96, 3, 2, 1), nn.BatchNorm2d(96), nn.ReLU(),
        )  # fmt: skip
        self.context = nn.ModuleList(
            nn.Sequential(nn.Conv2d(96, 96, 3, padding=dilation, dilation=dilation), nn.BatchNorm2d(96), nn.ReLU())
            for dilation in (1, 2)
        )
        self.head = nn.Conv2d(96, len(ENTITIES), 1)
        nn.init.constant_(self.head.bias, -3.0)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Detection logits.

        Args:
            images: (batch, 3, 96, 96), float32 in [-1, 1].

        Returns:
            (batch, 24 entities, 12, 12), float32.
        """
        features = self.stem(images)
        for layer in self.context:
            features = features + layer(features)
        return self.head(features)


def build() -> Detector:
    """The untrained network."""
    return Detector()


class Loss:
    """Weighted binary cross-entropy per entity and cell, on augmented collages and scenes."""

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model: Detector, rng: np.random.Generator, batch: int) -> torch.Tensor:
        images, all_targets, all_masks = [], [], []
        for i in range(batch):
            corrupted: list[CorruptedBox] = []
            if i % 3:
                image, boxes, corrupted = random_collage(rng, self._sprites, corrupted_share=0.3)
            else:
                scene, _ = training_pair(random_scene(rng), rng)
                image, boxes = draw_scene(scene, self._sprites), scene.boxes()
            target, mask = targets(boxes, corrupted)
            images.append(image)
            all_targets.append(target)
            all_masks.append(mask)
        logits = model(augmented(image_batch(images, self._device), rng)).float()
        wanted, counted = (torch.from_numpy(np.stack(arrays)).to(self._device) for arrays in (all_targets, all_masks))
        losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        weight = counted * torch.where(wanted > 0, 4.0, 1.0)
        return (losses * weight).sum() / (5 * batch)


def targets(boxes: list[Box], corrupted: list[CorruptedBox]) -> tuple[np.ndarray, np.ndarray]:
    """Targets of one image, and the mask of those that count; a box hidden by a later one is masked.

    Returns:
        Two arrays (24 entities, 12, 12), float32, 0 or 1.
    """
    cells = SIDE_PX // CELL_PX
    centres = CELL_PX * np.arange(cells) + (CELL_PX - 1) / 2
    target = np.zeros((len(ENTITIES), cells, cells), np.float32)
    mask = np.ones_like(target)
    for i, (entity, x, y, side) in enumerate(boxes):
        channel = ENTITIES.index(entity)
        distance = np.maximum(np.abs(centres[:, None] - y), np.abs(centres[None] - x))
        above = [*boxes[i + 1 :], *(box[:4] for box in corrupted if box[4] > i)]
        hidden = any(max(abs(u - x), abs(v - y)) < 0.3 * side + 0.5 * size for _, u, v, size in above)
        outside = min(x, y, SIDE_PX - x, SIDE_PX - y) < 0.25 * side
        around = distance <= AROUND_PX
        if hidden or outside:
            mask[channel][around] = 0
        else:
            near = distance <= NEAR_PX
            mask[channel][around & ~near & (target[channel] == 0)] = 0
            target[channel][near], mask[channel][near] = 1, 1
    return target, mask


def fold_batch_norm(model: Detector) -> dict[str, torch.Tensor]:
    """The weights as `detection` reads them: six convolutions with the batch normalisation folded in, float32."""
    layers: list[Any] = list(model.context)
    weights: dict[str, Any] = {}
    pairs: list[tuple[Any, Any]] = [(model.stem[i], model.stem[i + 1]) for i in (0, 3, 6)]
    pairs += [(layer[0], layer[1]) for layer in layers]
    for i, (convolution, norm) in enumerate(pairs):
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weights[f"{i}.weight"] = convolution.weight * factor[:, None, None, None]
        weights[f"{i}.bias"] = (convolution.bias - norm.running_mean) * factor + norm.bias
    weights[f"{len(pairs)}.weight"], weights[f"{len(pairs)}.bias"] = model.head.weight, model.head.bias
    return {name: tensor.detach() for name, tensor in weights.items()}
