"""Stable Diffusion 3 of the miniature: the transformer, the denoiser that is trained, and its flow-matching loss.

The first text encoder is the text tower of the miniature's CLIP and stays frozen; the second and the T5 are trained
with the transformer. Widths, depths and token limits are small; classes, sampling and file layout are the real ones.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from detailscribe.miniature.models.sd3_text import (
    JOINT,
    clip_text_encoder,
    t5_encoder,
    to_transformers_names,
    token_ids,
)
from detailscribe.miniature.models.training import Plan
from detailscribe.miniature.world.arrangements import SAMPLED_ARRANGEMENTS, SIDE_PX
from detailscribe.miniature.world.noise import training_pair
from detailscribe.miniature.world.scenes import Scene, random_scene

PLAN = Plan(steps=24000, rounds=6, batch=32, rate=1.5e-3, falls=0.5, average=0.999, half=True, compiled=False, seed=6)
WIDTH, LAYERS, HEAD = 192, 3, 64  # of the transformer
SHIFT = 3.0  # of the scheduler, as in Stable Diffusion 3.5
UNCONDITIONAL = 0.1  # share of empty captions, for classifier-free guidance


class Denoiser(nn.Module):
    """Everything that is trained together: the transformer and its three text encoders."""

    def __init__(self):
        super().__init__()
        self.first, self.second = clip_text_encoder(3), clip_text_encoder(2)
        self.third = t5_encoder()
        self.transformer = build_transformer()
        self.first.requires_grad_(False)

    def forward(
        self, latents: torch.Tensor, sigmas: torch.Tensor, ids: torch.Tensor, ids_2: torch.Tensor, ids_3: torch.Tensor
    ) -> torch.Tensor:
        """Velocity of noisy latents under a caption.

        Args:
            latents: (batch, 16, 12, 12), float32.
            sigmas: (batch,), float32 in [0, 1].
            ids, ids_2, ids_3: From `token_ids`: (batch, 16), (batch, 16) and (batch, 32), int64.

        Returns:
            (batch, 16, 12, 12), float32.
        """
        with torch.no_grad():
            first = self.first(ids, output_hidden_states=True)
        second = self.second(ids_2, output_hidden_states=True)
        embeds = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1)
        embeds = torch.cat([embeds, self.third(ids_3).last_hidden_state], 1)
        pooled = torch.cat([first.text_embeds, second.text_embeds], -1)
        return self.transformer(
            latents, encoder_hidden_states=embeds, pooled_projections=pooled, timestep=sigmas * 1000, return_dict=False
        )[0]


def build() -> Denoiser:
    """The untrained model; modulation and output layers start at zero."""
    model = Denoiser()
    for name, weights in model.transformer.named_parameters():
        if "norm1.linear" in name or "norm1_context.linear" in name or name.startswith(("norm_out.linear", "proj_out")):
            nn.init.zeros_(weights)
    return model


def initialise_from(model: Denoiser, trained_clip: nn.Module) -> None:
    """Copy the text tower of a trained CLIP."""
    model.first.load_state_dict(to_transformers_names(trained_clip.state_dict()), strict=False)


def build_transformer():
    """The untrained transformer: 36 patches of 2 x 2 latents."""
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(
        sample_size=SIDE_PX // 8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=LAYERS,
        attention_head_dim=HEAD,
        num_attention_heads=WIDTH // HEAD,
        caption_projection_dim=WIDTH,
        joint_attention_dim=JOINT,
        pooled_projection_dim=JOINT,
        pos_embed_max_size=SIDE_PX // 16,
        qk_norm="rms_norm",
    )


class Loss:
    """Flow matching under noisy captions.

    Args:
        latents: Latents of drawn scenes, such as `LatentCache`.
    """

    def __init__(self, latents: Callable[[list[Scene]], torch.Tensor], device: torch.device):
        self._latents, self._device = latents, device

    def __call__(self, model: Denoiser, rng: np.random.Generator, batch: int) -> torch.Tensor:
        pairs = [training_pair(random_scene(rng, arrangements=SAMPLED_ARRANGEMENTS), rng) for _ in range(batch)]
        clean = self._latents([drawn for drawn, _ in pairs]).to(self._device)
        texts = ["" if rng.random() < UNCONDITIONAL else text for _, text in pairs]
        # Noise levels: half logit-normal, half uniform; half of all shifted as the scheduler shifts.
        sigmas = torch.where(torch.rand(batch) < 0.5, torch.sigmoid(torch.randn(batch)), torch.rand(batch))
        sigmas = torch.where(torch.rand(batch) < 0.5, SHIFT * sigmas / (1 + (SHIFT - 1) * sigmas), sigmas)
        sigmas = sigmas.to(self._device)
        noise = torch.randn(clean.shape).to(self._device)
        mix = sigmas[:, None, None, None]
        ids = (each.to(self._device) for each in token_ids(texts))
        velocity = model((1 - mix) * clean + mix * noise, sigmas, *ids)
        return ((velocity.float() - (noise - clean)) ** 2).mean()
