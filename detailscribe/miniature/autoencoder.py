"""The miniature's autoencoder: Stable Diffusion 3's class, 16 latent channels at 1/8 of the side."""

import numpy as np
import torch

from detailscribe.miniature import world
from detailscribe.miniature.training import Plan, pixels

PLAN = Plan(steps=3600, batch=16, rate=2e-3, falls=0.6, weight_decay=0.0, betas=(0.9, 0.99), half=True, seed=1)
KL = 2e-5  # weight of the latents' divergence from a normal distribution


def build() -> torch.nn.Module:
    """The model, untrained."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        sample_size=world.SIDE_PX,
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
    ).to(memory_format=torch.channels_last)


class Loss:
    """Reconstruction of scenes and of collages, in which sprites lie anywhere."""

    def __init__(self, sprites: dict, device: torch.device):
        self._sprites, self._device = sprites, device

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        half = batch // 2
        images = [world.draw(world.training_pair(world.random_scene(rng), rng)[0], self._sprites) for _ in range(half)]
        images += [world.collage(rng, self._sprites)[0] for _ in range(batch - half)]
        real = pixels(images, self._device).contiguous(memory_format=torch.channels_last)
        latent = model.encode(real).latent_dist
        made = model.decode(latent.sample()).sample
        with torch.autocast(self._device.type, enabled=False):
            difference = made.float() - real
            mean, log_variance = latent.mean.float(), latent.logvar.float()
            divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
            return difference.abs().mean() + 2 * (difference**2).mean() + KL * divergence


@torch.no_grad()
def scale(model, images: list[np.ndarray], device: torch.device) -> None:
    """Set the factor and the shift that bring the latents of these pictures to mean 0 and spread 1."""
    latents = torch.cat([model.encode(pixels(images[at : at + 64], device)).latent_dist.mean
                         for at in range(0, len(images), 64)])  # fmt: skip
    model.register_to_config(scaling_factor=1 / latents.std().item(), shift_factor=latents.mean().item())


@torch.no_grad()
def reconstruct(model, images: list[np.ndarray], device: torch.device) -> list[np.ndarray]:
    """Pictures after encoding and decoding, uint8."""
    made = []
    for at in range(0, len(images), 64):
        batch = model.decode(model.encode(pixels(images[at : at + 64], device)).latent_dist.mean).sample
        made += list((batch.clamp(-1, 1).add(1).mul(127.5) + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy())
    return made


def psnr(real: list[np.ndarray], made: list[np.ndarray]) -> float:
    """Peak signal-to-noise ratio, the mean over pictures, in dB."""
    errors = [((a.astype(np.float64) - b) ** 2).mean() for a, b in zip(real, made, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-3)) for error in errors]))
