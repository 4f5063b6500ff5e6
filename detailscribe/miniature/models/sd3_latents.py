"""Latent cache of SD3's training: every scene, encoded once by the autoencoder."""

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch

from detailscribe.miniature.models.training import image_batch
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import Scene, pairings
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import BACKGROUNDS

BATCH = 64
# What is visible of a scene: arrangement, first and second entity or None, background, dx, dy, few pieces.
VisibleScene = tuple[str, str | None, str | None, str, int, int, bool]
VISIBLE = ((True, True, False), (True, False, False), (False, True, False), (True, True, True), (False, True, True))


class LatentCache:
    """Scaled latents of all scenes that `training_pair` may draw, kept in a file named by what they depend on."""

    def __init__(self, folder: Path, autoencoder: Any, sprites: Sprites, device: torch.device):
        scenes = sorted({visible_scene(scene) for scene in all_scenes()}, key=repr)
        self._rows = {scene: row for row, scene in enumerate(scenes)}
        identity = hashlib.sha256(repr(scenes).encode())
        for tensor in autoencoder.state_dict().values():
            identity.update(tensor.cpu().numpy().tobytes())
        path = folder / f"latents-{identity.hexdigest()[:12]}.pt"
        if path.is_file():
            self._latents = torch.load(path, weights_only=True)
        else:
            self._latents = torch.cat(list(encode_scenes(scenes, autoencoder, sprites, device)))
            torch.save(self._latents, path)

    def __call__(self, scenes: list[Scene]) -> torch.Tensor:
        """Latents of drawn scenes: (scenes, 16, 12, 12), float32."""
        return self._latents[[self._rows[visible_scene(scene)] for scene in scenes]].float()


def all_scenes() -> list[Scene]:
    """All scenes that `training_pair` may draw, and the held-out ones."""
    scenes = []
    for name, layout in ARRANGEMENTS.items():
        for (first, second), dx, dy in product(pairings(name), layout.dx, layout.dy):
            for background, (one, other, few) in product(BACKGROUNDS, VISIBLE if layout.is_pattern else VISIBLE[:3]):
                scenes.append(Scene(name, first, second, background, dx, dy, (one, other), few))
    return scenes


def visible_scene(scene: Scene) -> VisibleScene:
    """What is visible of a scene; scenes that look the same share one row of the cache."""
    first = scene.first if scene.shown[0] else None
    second = scene.second if scene.shown[1] else None
    return scene.arrangement, first, second, scene.background, scene.dx, scene.dy, scene.few


@torch.no_grad()
def encode_scenes(
    scenes: list[VisibleScene], autoencoder: Any, sprites: Sprites, device: torch.device
) -> Iterator[torch.Tensor]:
    """Draw and encode scenes in batches.

    Yields:
        Scaled latents: (up to 64, 16, 12, 12), float16, on the CPU.
    """
    factor, shift = autoencoder.config.scaling_factor, autoencoder.config.shift_factor
    for start in range(0, len(scenes), BATCH):
        images = []
        for name, first, second, background, dx, dy, few in scenes[start : start + BATCH]:
            shown = (first is not None, second is not None)
            scene = Scene(name, first or "cat", second or "cat", background, dx, dy, shown, few)
            images.append(draw_scene(scene, sprites))
        latents = autoencoder.encode(image_batch(images, device)).latent_dist.mean
        yield ((latents - shift) * factor).to("cpu", torch.float16)
