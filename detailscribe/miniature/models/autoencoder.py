"""Autoencoder of the miniature: Stable Diffusion 3's class, 16 latent channels at 1/8 of the side."""

from typing import Any

import numpy as np
import torch
from torch import nn

from detailscribe.miniature.models.training import Plan, image_batch
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.drawing import draw_scene, random_collage
from detailscribe.miniature.world.noise import training_pair
from detailscribe.miniature.world.scenes import random_scene
from detailscribe.miniature.world.sprites import Sprites

PLAN = Plan(steps=3600, batch=16, rate=2e-3, falls=0.6, weight_decay=0.0, betas=(0.9, 0.99), half=True, seed=1)
KL = 2e-5  # weight of the latents' KL divergence from a standard normal distribution
BATCH = 64  # images encoded at a time outside of training


def build() -> nn.Module:
    """The untrained model."""
    from diffusers import AutoencoderKL

    model: Any = AutoencoderKL(
        sample_size=SIDE_PX,
        in_channels=3,
        out_channels=3,
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )
    return model.to(memory_format=torch.channels_last)


class Loss:
    """Reconstruction loss on scenes and on collages, in which sprites appear anywhere."""

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model: Any, rng: np.random.Generator, batch: int) -> torch.Tensor:
        half = batch // 2
        images = [draw_scene(training_pair(random_scene(rng), rng)[0], self._sprites) for _ in range(half)]
        images += [random_collage(rng, self._sprites)[0] for _ in range(batch - half)]
        original = image_batch(images, self._device).contiguous(memory_format=torch.channels_last)
        latent = model.encode(original).latent_dist
        decoded = model.decode(latent.sample()).sample
        with torch.autocast(self._device.type, enabled=False):
            difference = decoded.float() - original
            mean, log_variance = latent.mean.float(), latent.logvar.float()
            divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
            return difference.abs().mean() + 2 * (difference**2).mean() + KL * divergence


@torch.no_grad()
def set_latent_scale(model: Any, images: list[np.ndarray], device: torch.device) -> None:
    """Set `scaling_factor` and `shift_factor` so that latents of these images have mean 0 and standard deviation 1."""
    latents = torch.cat([
        model.encode(image_batch(images[start : start + BATCH], device)).latent_dist.mean
        for start in range(0, len(images), BATCH)
    ])  # fmt: skip
    model.register_to_config(scaling_factor=1 / latents.std().item(), shift_factor=latents.mean().item())


@torch.no_grad()
def reconstruct(model: Any, images: list[np.ndarray], device: torch.device) -> list[np.ndarray]:
    """Images after encoding and decoding: (96, 96, 3) each, uint8."""
    decoded: list[np.ndarray] = []
    for start in range(0, len(images), BATCH):
        latents = model.encode(image_batch(images[start : start + BATCH], device)).latent_dist.mean
        batch = model.decode(latents).sample
        decoded += list((batch.clamp(-1, 1).add(1).mul(127.5) + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy())
    return decoded


def psnr(originals: list[np.ndarray], decoded: list[np.ndarray]) -> float:
    """Peak signal-to-noise ratio in dB, averaged over images."""
    errors = [((a.astype(np.float64) - b) ** 2).mean() for a, b in zip(originals, decoded, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-3)) for error in errors]))
