"""Qwen2-VL: a second implementation from its definition, in float64, from a state dict under its published names.

One image, one text, no padding. Source: Wang et al. 2024, "Qwen2-VL", arXiv:2409.12191, sections 2.1 (multimodal rotary
positions, dynamic resolution); Qwen2's layers are Llama's with biases of query, key and value.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import gelu, layer_norm, linear, silu

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass
class Qwen2VL:
    """Tensors by name, and the sizes that they do not show."""

    state: dict
    image_heads: int = 2
    heads: int = 3
    section: tuple = (2, 3, 3)  # frequencies of a head that turn by time, row and column
    theta: float = 1e6
    patch: int = 14
    eps: float = 1e-6
    rounded: torch.dtype = torch.float64  # format in which the rotary frequencies are kept

    def tensor(self, name: str) -> torch.Tensor:
        return self.state[name].double()

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        bias = f"{name}.bias"
        return linear(x, self.tensor(f"{name}.weight"), self.tensor(bias) if bias in self.state else None)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return layer_norm(x, x.shape[-1:], self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), 1e-6)

    def rms(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.tensor(f"{name}.weight")

    def frequencies(self, count: int, theta: float) -> torch.Tensor:
        """(count,): theta^(-n / count)."""
        values = torch.tensor([theta ** (-n / count) for n in range(count)], dtype=torch.float32)
        return values.to(self.rounded).double() if self.rounded != torch.float64 else values.double()

    def image_tokens(self, image) -> torch.Tensor:
        """(tokens, width of the text): one of each square of 2 x 2 patches, row by row.

        Args:
            image: RGB, sides multiples of two patches.
        """
        pixels = (np.asarray(image, np.float64) / 255 - MEAN) / STD
        rows, columns = pixels.shape[0] // self.patch, pixels.shape[1] // self.patch
        # The patches in the order in which they are merged.
        order = [
            (2 * row + inner_row, 2 * column + inner_column)
            for row in range(rows // 2)
            for column in range(columns // 2)
            for inner_row in range(2)
            for inner_column in range(2)
        ]
        kernel = self.tensor("visual.patch_embed.proj.weight").sum(2)  # one image stands for two equal frames
        side = self.patch
        squares = [pixels[row * side :, column * side :][:side, :side] for row, column in order]
        x = torch.einsum("dchw,nhwc->nd", kernel, torch.from_numpy(np.stack(squares)))
        width = x.shape[1] // self.image_heads
        turns = self.frequencies(width // 4, 1e4)
        places = torch.tensor(order, dtype=torch.float64)
        angles = torch.cat([places[:, :1] * turns, places[:, 1:] * turns], 1)
        n = 0
        while f"visual.blocks.{n}.norm1.weight" in self.state:
            block = f"visual.blocks.{n}"
            parts = self.linear(f"{block}.attn.qkv", self.norm(f"{block}.norm1", x)).chunk(3, -1)
            query, key, value = (part.reshape(len(x), self.image_heads, width).transpose(0, 1) for part in parts)
            mixed = attention(turned(query, angles), turned(key, angles), value, None)
            x = x + self.linear(f"{block}.attn.proj", mixed.transpose(0, 1).reshape(x.shape))
            inner = self.linear(f"{block}.mlp.fc1", self.norm(f"{block}.norm2", x))
            x = x + self.linear(f"{block}.mlp.fc2", inner * torch.sigmoid(1.702 * inner))
            n += 1
        merged = self.norm("visual.merger.ln_q", x).reshape(len(order) // 4, -1)
        return self.linear("visual.merger.mlp.2", gelu(self.linear("visual.merger.mlp.0", merged)))

    def states(self, ids: list[int], image, image_id: int, flat: bool = False) -> torch.Tensor:
        """(tokens, width), after the last norm.

        Args:
            ids: Of the whole input, with one image token per square of patches.
            flat: Positions count tokens, also those of the image; otherwise these have a row and a column.
        """
        x = self.tensor("model.embed_tokens.weight")[torch.tensor(ids)]
        at = [n for n, token in enumerate(ids) if token == image_id]
        x[at] = self.image_tokens(image)
        columns = image.width // self.patch // 2
        positions, upcoming = [], 0
        for n, token in enumerate(ids):
            if flat or token != image_id:
                positions.append((upcoming,) * 3)
                upcoming += 1
            else:
                row, column = divmod(n - at[0], columns)
                positions.append((at[0], at[0] + row, at[0] + column))
                if n == at[-1]:
                    upcoming = at[0] + max(len(at) // columns, columns)
        turns = self.frequencies(sum(self.section), self.theta)
        axis = torch.tensor([axis for axis, count in enumerate(self.section) for _ in range(count)])
        angles = torch.tensor(positions, dtype=torch.float64)[:, axis] * turns
        later = torch.full((len(ids), len(ids)), -math.inf, dtype=torch.float64).triu(1)
        width = 2 * sum(self.section)
        n = 0
        while f"model.layers.{n}.input_layernorm.weight" in self.state:
            layer = f"model.layers.{n}"
            inner = self.rms(f"{layer}.input_layernorm", x)
            query, key, value = (
                self.linear(f"{layer}.self_attn.{part}_proj", inner).reshape(len(ids), -1, width).transpose(0, 1)
                for part in "qkv"
            )
            shared = self.heads // len(key)
            key, value = key.repeat_interleave(shared, 0), value.repeat_interleave(shared, 0)
            mixed = attention(turned(query, angles), turned(key, angles), value, later)
            x = x + self.linear(f"{layer}.self_attn.o_proj", mixed.transpose(0, 1).reshape(x.shape))
            inner = self.rms(f"{layer}.post_attention_layernorm", x)
            gate = silu(self.linear(f"{layer}.mlp.gate_proj", inner))
            x = x + self.linear(f"{layer}.mlp.down_proj", gate * self.linear(f"{layer}.mlp.up_proj", inner))
            n += 1
        return self.rms("model.norm", x)


def turned(x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """(heads, tokens, width): the first half of a head and its second are the two coordinates that turn by an angle."""
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
    return (scores if mask is None else scores + mask).softmax(-1) @ value
