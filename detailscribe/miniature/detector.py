"""The judge's eyes: a small convolutional network that says which entity stands where.

It shares no weights and no class with the critic, and is told nothing of captions: it is trained on scenes and on
collages, in which sprites lie anywhere. Things that are half one entity and half another, scrambled or faint are not
to be found.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature import world
from detailscribe.miniature.judge import CELL_PX
from detailscribe.miniature.training import Plan, disturbed, pixels

PLAN = Plan(steps=3000, batch=32, rate=2e-3, falls=0.6, half=True, seed=3)
NEAR_PX, AROUND_PX = 7, 15  # a cell is of an entity this close to its centre; up to there it is neither


class Detector(nn.Module):
    """Logits of every entity in every cell of 8 x 8 pixels: n x 24 x 12 x 12."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 5, 2, 2), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 96, 3, 2, 1), nn.BatchNorm2d(96), nn.ReLU(),
        )  # fmt: skip
        self.context = nn.ModuleList(
            nn.Sequential(nn.Conv2d(96, 96, 3, padding=wide, dilation=wide), nn.BatchNorm2d(96), nn.ReLU())
            for wide in (1, 2)
        )
        self.head = nn.Conv2d(96, len(world.ENTITIES), 1)
        nn.init.constant_(self.head.bias, -3.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Args: images in [-1, 1], n x 3 x 96 x 96."""
        seen = self.stem(images)
        for layer in self.context:
            seen = seen + layer(seen)
        return self.head(seen)


def build() -> Detector:
    """The network, untrained."""
    return Detector()


class Loss:
    """Entities found in collages and scenes, sharp and blurred."""

    def __init__(self, sprites: dict, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        images, wanted, counted = [], [], []
        for at in range(batch):
            if at % 3:
                image, boxes, spoilt = world.collage(rng, self._sprites, spoil=0.3)
            else:
                scene, _ = world.training_pair(world.random_scene(rng), rng)
                image, boxes, spoilt = world.draw(scene, self._sprites), scene.boxes(), []
            target, mask = targets(boxes, spoilt)
            images.append(image)
            wanted.append(target)
            counted.append(mask)
        logits = model(disturbed(pixels(images, self._device), rng)).float()
        target, mask = (torch.from_numpy(np.stack(each)).to(self._device) for each in (wanted, counted))
        each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        weight = mask * torch.where(target > 0, 4.0, 1.0)
        return (each * weight).sum() / (5 * batch)


def targets(boxes: list, spoilt: list) -> tuple[np.ndarray, np.ndarray]:
    """Wanted answers and which of them count, both 24 x 12 x 12; a box that a later one hides counts for nothing."""
    cells = world.SIDE_PX // CELL_PX
    centres = CELL_PX * np.arange(cells) + (CELL_PX - 1) / 2
    wanted = np.zeros((len(world.ENTITIES), cells, cells), np.float32)
    mask = np.ones_like(wanted)
    for at, (entity, x, y, side) in enumerate(boxes):
        channel = world.ENTITIES.index(entity)
        far = np.maximum(np.abs(centres[:, None] - y), np.abs(centres[None] - x))
        later = boxes[at + 1 :] + [box for box in spoilt if box[4] > at]
        hidden = any(
            max(abs(box[1] - x), abs(box[2] - y)) < 0.3 * side + 0.5 * box[3] for box in (each[:4] for each in later)
        )
        outside = min(x, y, world.SIDE_PX - x, world.SIDE_PX - y) < 0.25 * side
        around = far <= AROUND_PX
        if hidden or outside:
            mask[channel][around] = 0
        else:
            near = far <= NEAR_PX
            mask[channel][around & ~near & (wanted[channel] == 0)] = 0
            wanted[channel][near], mask[channel][near] = 1, 1
    return wanted, mask


def folded(model: Detector) -> dict[str, torch.Tensor]:
    """The weights as `judge` reads them: six convolutions, with what normalises their results inside."""
    found = {}
    pairs = [(model.stem[at], model.stem[at + 1]) for at in (0, 3, 6)]
    pairs += [(layer[0], layer[1]) for layer in model.context]
    for at, (convolution, norm) in enumerate(pairs):
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        found[f"{at}.weight"] = convolution.weight * factor[:, None, None, None]
        found[f"{at}.bias"] = (convolution.bias - norm.running_mean) * factor + norm.bias
    found[f"{len(pairs)}.weight"], found[f"{len(pairs)}.bias"] = model.head.weight, model.head.bias
    return {name: tensor.detach() for name, tensor in found.items()}
