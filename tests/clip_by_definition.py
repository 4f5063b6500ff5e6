"""CLIP's two towers: a second implementation from their definition, in float64, from an open_clip state dict."""

import math

import numpy as np
import torch
from torch.nn.functional import layer_norm, linear


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """The activation that OpenAI's weights were trained with."""
    return x * torch.sigmoid(1.702 * x)


def image_embedding(state: dict, pixels: np.ndarray, heads: int, activation=quick_gelu) -> torch.Tensor:
    """(width,), of (3, side, side): patches and a class token, which is projected at the end; not normalised."""
    kernel = state["visual.conv1.weight"].double()
    patches = torch.nn.functional.conv2d(torch.from_numpy(pixels)[None].double(), kernel, stride=kernel.shape[-1])
    x = torch.cat([state["visual.class_embedding"].double()[None], patches[0].flatten(1).T])
    x = norm(state, "visual.ln_pre", x + state["visual.positional_embedding"].double())
    x = blocks(state, "visual.transformer", x, heads, None, activation)
    return norm(state, "visual.ln_post", x[0]) @ state["visual.proj"].double()


def text_embedding(state: dict, tokens: torch.Tensor, heads: int, activation=quick_gelu) -> torch.Tensor:
    """(width,), of 77 tokens, taken at the end token, the highest number; not normalised."""
    x = state["token_embedding.weight"].double()[tokens] + state["positional_embedding"].double()
    later = torch.full((len(tokens), len(tokens)), -math.inf, dtype=torch.float64).triu(1)
    x = norm(state, "ln_final", blocks(state, "transformer", x, heads, later, activation))
    return x[tokens.argmax()] @ state["text_projection"].double()


def blocks(state: dict, part: str, x: torch.Tensor, heads: int, mask: torch.Tensor | None, activation) -> torch.Tensor:
    """The layers: norm, attention, norm, two linear maps with the activation between them."""
    n = 0
    while f"{part}.resblocks.{n}.ln_1.weight" in state:
        block = f"{part}.resblocks.{n}"
        weight, bias = (state[f"{block}.attn.in_proj_{kind}"].double() for kind in ("weight", "bias"))
        wide = linear(norm(state, f"{block}.ln_1", x), weight, bias).chunk(3, -1)
        query, key, value = (each.reshape(len(x), heads, -1).transpose(0, 1) for each in wide)
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        shares = (scores if mask is None else scores + mask).softmax(-1)
        x = x + linear_layer(state, f"{block}.attn.out_proj", (shares @ value).transpose(0, 1).reshape(x.shape))
        inner = linear_layer(state, f"{block}.mlp.c_fc", norm(state, f"{block}.ln_2", x))
        x = x + linear_layer(state, f"{block}.mlp.c_proj", activation(inner))
        n += 1
    return x


def linear_layer(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    return linear(x, state[f"{name}.weight"].double(), state[f"{name}.bias"].double())


def norm(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    return layer_norm(x, x.shape[-1:], state[f"{name}.weight"].double(), state[f"{name}.bias"].double(), 1e-5)
