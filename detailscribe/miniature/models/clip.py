"""CLIP of the miniature in open_clip's form; its text tower is also SD3's first text encoder.

It is trained with the small vocabulary of `clip_tokens`; `full_state` expands it to CLIP's.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature.models.clip_tokens import (
    PREFIX,
    TOKENS,
    VOCABULARY,
    expand_vocabulary,
    small_ids,
    used_tokens,
)
from detailscribe.miniature.models.training import Plan, augmented, image_batch
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.captions import entity_sentence, presence_sentence, random_caption
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.noise import wrong_scene
from detailscribe.miniature.world.scenes import Scene, random_scene
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import ENTITIES
from detailscribe.scores.preparation import MEAN, STD

PLAN = Plan(steps=2400, batch=64, rate=1e-3, falls=0.6, seed=2)
CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "quick_gelu": False,
    "vision_cfg": {"image_size": SIDE_PX, "layers": 3, "width": 128, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": VOCABULARY, "width": 64, "heads": 4, "layers": 3},
}
# Parts of a layer: open_clip's names and transformers'.
TRANSFORMERS_NAMES = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
PREFIXES = ("", PREFIX)
POSITIVE = 4.0  # weight of a visible entity in the entity loss


@dataclass(frozen=True)
class Example:
    """An image, given as the scene to draw, and a text."""

    scene: Scene
    text: str


def build() -> nn.Module:
    """The untrained model with the small vocabulary."""
    import open_clip

    small = {"vocab_size": len(used_tokens()), "context_length": TOKENS}
    config = {**CONFIG, "text_cfg": CONFIG["text_cfg"] | small}
    model = open_clip.CLIP(**config)
    # Only for the entity loss; not shipped.
    model.entity_scale = nn.Parameter(torch.tensor(2.3))
    model.entity_bias = nn.Parameter(torch.tensor(-2.0))
    return model


class Loss:
    """Contrastive loss with wrong captions and wrong images as hard negatives, plus a loss on the visible entities."""

    def __init__(self, sprites: Sprites, device: torch.device):
        self._sprites, self._device = sprites, device
        self._singular = small_ids([presence_sentence(entity, False) for entity in ENTITIES]).to(device)
        self._plural = small_ids([presence_sentence(entity, True) for entity in ENTITIES]).to(device)

    def __call__(self, model: Any, rng: np.random.Generator, batch: int) -> torch.Tensor:
        drawn = examples(rng, batch)
        images = image_batch([draw_scene(each.scene, self._sprites) for each in drawn], self._device)
        entities = self._plural if rng.random() < 0.3 else self._singular
        ids = torch.cat([small_ids([each.text for each in drawn]).to(self._device), entities])
        seen, texts, _ = model(augmented(images, rng), ids)
        with torch.autocast(self._device.type, enabled=False):
            seen, texts = seen.float(), texts.float()
            captions, entities = texts[: len(drawn)], texts[len(drawn) :]
            scores = model.logit_scale.exp().clamp(max=100) * seen @ captions.T
            # The first `batch` images and captions belong together; the others are their negatives.
            pair = torch.arange(batch, device=self._device)
            loss = functional.cross_entropy(scores[:batch], pair)
            loss = loss + functional.cross_entropy(scores[:, :batch].T, pair)
            own = scores[pair, pair]
            for wrong in (scores[pair, pair + batch], scores[pair + batch, pair]):
                loss = loss + functional.softplus(wrong - own).mean()
            visible = torch.tensor(
                [[entity in {box[0] for box in each.scene.boxes()} for entity in ENTITIES] for each in drawn],
                device=self._device,
                dtype=torch.float32,
            )
            logits = model.entity_scale.exp() * seen @ entities.T + model.entity_bias
            weight = torch.tensor(POSITIVE, device=self._device)
            return loss + 2 * functional.binary_cross_entropy_with_logits(logits, visible, pos_weight=weight)


def examples(rng: np.random.Generator, batch: int) -> list[Example]:
    """`batch` right pairs, then as many negatives: for each right pair, a wrong image and a wrong text."""
    right, wrong = [], []
    for _ in range(batch):
        scene = random_scene(rng)
        prefix = PREFIXES[int(rng.integers(2))]
        text = random_caption(scene, rng)
        if rng.random() < 0.3:
            text += " " + " ".join(entity_sentence(scene, which, bool(rng.random() < 0.7)) for which in range(2))
        right.append(Example(scene, prefix + text))
        if rng.random() < 0.5:
            wrong_image = replace(scene, shown=(True, False) if rng.random() < 0.7 else (False, True))
        else:
            wrong_image = wrong_scene(scene, rng)
        described = wrong_scene(scene, rng)
        if rng.random() < 0.2:
            text = entity_sentence(described, int(rng.integers(2)), True)
            if text in [entity_sentence(scene, which, True) for which in range(2)]:
                text = "There is nothing."
        else:
            text = prefix + random_caption(described, rng)
        wrong.append(Example(wrong_image, text))
    return right + wrong


def full_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """State of an open_clip model with CLIP's whole vocabulary and context length.

    Positions beyond the trained ones repeat the last trained one.
    """
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("entity_")}
    positions = state["positional_embedding"]
    missing = CONFIG["text_cfg"]["context_length"] - len(positions)
    positions = torch.cat([positions, positions[-1:].expand(missing, -1)])
    return state | {
        "token_embedding.weight": expand_vocabulary(state["token_embedding.weight"]),
        "positional_embedding": positions.contiguous(),
    }


def with_normalised_input(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """State of a model that takes CLIP-normalised images, from that of a model that takes images in [-1, 1].

    With x = 2 (MEAN + STD n) - 1, the factor goes into the patch kernel and the constant into the patch positions.
    """
    kernel, positions = state["visual.conv1.weight"], state["visual.positional_embedding"].clone()
    mean, std = (torch.from_numpy(values).to(kernel.device) for values in (MEAN, STD))
    positions[1:] += (kernel.sum((2, 3)) @ (2 * mean - 1))[None]
    return state | {
        "visual.conv1.weight": kernel * (2 * std)[None, :, None, None],
        "visual.positional_embedding": positions,
    }


def transformers_layers(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The layers of one tower, without their prefix, with transformers' names: the joint projection becomes three."""
    names = TRANSFORMERS_NAMES | {"attn.out_proj": "self_attn.out_proj"}
    renamed = {}
    for name, tensor in state.items():
        if not name.startswith(prefix):
            continue
        layer, rest = name.removeprefix(prefix).split(".", 1)
        if rest.startswith("attn.in_proj_"):
            kind = rest.removeprefix("attn.in_proj_")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                renamed[f"{layer}.self_attn.{part}_proj.{kind}"] = piece.clone()
        else:
            part, kind = rest.rsplit(".", 1)
            renamed[f"{layer}.{names[part]}.{kind}"] = tensor
    return renamed
