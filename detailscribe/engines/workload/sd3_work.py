"""Work of Stable Diffusion 3 at a size: a step of some rows, a text, a decoded image; all on the meta device."""

import functools
from typing import Any

import torch

from detailscribe.engines.workload.architectures import ENCODERS, Part
from detailscribe.engines.workload.live_bytes import Work, measure

CLIP_ENCODERS = ENCODERS[:2]


class SD3Work:
    """Floating-point operations and peak memory of a model's parts, as `sd3.SD3Engine` runs them.

    Args:
        parts: As `architectures.architecture` gives them.
        dtype: Of the computation.
        size_px: Side of the image.
        max_sequence_length: Tokens of the T5 encoder.
    """

    def __init__(self, parts: dict[str, Part], dtype: torch.dtype, size_px: int, max_sequence_length: int):
        self.modules: dict[str, Any] = {name: part.build(dtype) for name, part in parts.items()}
        self.dtype = dtype
        config = parts["vae"].config
        self.side = size_px // 2 ** (len(config["block_out_channels"]) - 1)
        self.clip_tokens = self.modules["text_encoder"].config.max_position_embeddings
        self.t5_tokens = max_sequence_length

    @functools.cache  # noqa: B019 - as long as the object, which a process makes a few of
    def step(self, rows: int) -> Work:
        """One call of the transformer; with guidance an image takes two rows."""
        transformer = self.modules["transformer"]
        config = transformer.config
        tokens = self.clip_tokens + self.t5_tokens
        return measure(
            lambda: transformer(
                hidden_states=self._empty(rows, config.in_channels, self.side, self.side),
                timestep=torch.empty(rows, device="meta"),
                encoder_hidden_states=self._empty(rows, tokens, config.joint_attention_dim),
                pooled_projections=self._empty(rows, config.pooled_projection_dim),
                return_dict=False,
            )
        )

    def state_bytes(self, rows: int) -> int:
        """Bytes of the image's tokens between two blocks of the transformer."""
        config = self.modules["transformer"].config
        width = config.num_attention_heads * config.attention_head_dim
        return rows * (self.side // config.patch_size) ** 2 * width * self.dtype.itemsize

    @functools.cache  # noqa: B019
    def text(self) -> Work:
        """A text through all encoders, one after the other."""
        works = []
        for name in ENCODERS:
            if name in self.modules:
                clip = name in CLIP_ENCODERS
                tokens, options = (self.clip_tokens, {"output_hidden_states": True}) if clip else (self.t5_tokens, {})
                works.append(measure(functools.partial(self._encode, name, tokens, options)))
        return Work(sum(work.flop for work in works), max(work.peak_bytes for work in works))

    @functools.cache  # noqa: B019
    def decoding(self) -> Work:
        """One image from its latents."""
        vae = self.modules["vae"]
        return measure(
            lambda: vae.decode(self._empty(1, vae.config.latent_channels, self.side, self.side), return_dict=False)
        )

    def _encode(self, name: str, tokens: int, options: dict) -> object:
        return self.modules[name](torch.empty(1, tokens, dtype=torch.long, device="meta"), **options)

    def _empty(self, *shape: int) -> torch.Tensor:
        return torch.empty(*shape, device="meta", dtype=self.dtype)
