"""The miniature's CLIP in open_clip's form, with CLIP's own tokenizer; its text tower is SD3's first text encoder too.

While it is trained, its vocabulary is only the tokens that this world uses; `full` widens it to CLIP's 49408, among
which the unused ones are zero.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from detailscribe.miniature import world
from detailscribe.miniature.training import Plan, disturbed, pixels
from detailscribe.scores.preparation import MEAN, STD

PLAN = Plan(steps=2400, batch=64, rate=1e-3, falls=0.6, seed=2)
TOKENS = 32  # read while training; CLIPScore reads 77
VOCABULARY = 49408
CONFIG = {
    "embed_dim": 64,
    "quick_gelu": False,
    "vision_cfg": {"image_size": world.SIDE_PX, "layers": 3, "width": 128, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": VOCABULARY, "width": 64, "heads": 4, "layers": 3},
}
# Parts of a layer, as open_clip and as transformers name them.
PARTS = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
PREFIX = "A photo depicts "  # of CLIPScore
FORMS = ("", PREFIX)


def build() -> torch.nn.Module:
    """The model with the small vocabulary, untrained."""
    import open_clip

    small = {"vocab_size": len(used_tokens()), "context_length": TOKENS}
    config = {**CONFIG, "text_cfg": CONFIG["text_cfg"] | small}
    model = open_clip.CLIP(**config)
    # Of the sigmoid loss over entities alone.
    model.entity_scale = torch.nn.Parameter(torch.tensor(2.3))
    model.entity_bias = torch.nn.Parameter(torch.tensor(-2.0))
    return model


class Loss:
    """Which caption belongs to which picture, wrong ones of both among them, and which entities a picture shows."""

    def __init__(self, sprites: dict, device: torch.device):
        self._sprites, self._device = sprites, device
        self._one = small_ids([world.named(entity, False) for entity in world.ENTITIES]).to(device)
        self._many = small_ids([world.named(entity, True) for entity in world.ENTITIES]).to(device)

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        images, texts, shown = [], [], []
        for part in examples(rng, batch):
            images.append(part["image"])
            texts.append(part["text"])
            shown.append(part["scene"])
        right = list(range(batch))
        drawn = pixels([world.draw(each, self._sprites) for each in images], self._device)
        entities = self._many if rng.random() < 0.3 else self._one
        ids = torch.cat([small_ids(texts).to(self._device), entities])
        seen, said, _ = model(disturbed(drawn, rng), ids)
        with torch.autocast(self._device.type, enabled=False):
            seen, said = seen.float(), said.float()
            captions, entities = said[: len(texts)], said[len(texts) :]
            scores = model.logit_scale.exp().clamp(max=100) * seen @ captions.T
            target = torch.tensor(right, device=self._device)
            # The first `batch` pictures and captions belong together; the others are wrong for them.
            loss = functional.cross_entropy(scores[:batch], target)
            loss = loss + functional.cross_entropy(scores[:, :batch].T, target)
            pair = torch.arange(batch, device=self._device)
            own = scores[pair, pair]
            for wrong in (scores[pair, pair + batch], scores[pair + batch, pair]):
                loss = loss + functional.softplus(wrong - own).mean()
            there = torch.tensor(
                [[entity in {box[0] for box in scene.boxes()} for entity in world.ENTITIES] for scene in shown],
                device=self._device,
                dtype=torch.float32,
            )
            found = model.entity_scale.exp() * seen @ entities.T + model.entity_bias
            weight = torch.tensor(4.0, device=self._device)
            return loss + 2 * functional.binary_cross_entropy_with_logits(found, there, pos_weight=weight)


def examples(rng: np.random.Generator, batch: int) -> list[dict]:
    """`batch` right pairs, then as many wrong ones: a wrong caption beside a wrong picture, each for its right pair."""
    right, wrong = [], []
    for _ in range(batch):
        scene = world.random_scene(rng)
        form = FORMS[int(rng.integers(2))]
        said = world.caption(scene, rng)
        if rng.random() < 0.3:
            said += " " + " ".join(world.sentence(scene, which, bool(rng.random() < 0.7)) for which in range(2))
        right.append({"image": scene, "scene": scene, "text": form + said})
        if rng.random() < 0.5:
            shown = (True, False) if rng.random() < 0.7 else (False, True)
            other = replace(scene, shown=shown)
        else:
            other = world.wrong_scene(scene, rng)
        told = world.wrong_scene(scene, rng)
        if rng.random() < 0.2:
            text = world.sentence(told, int(rng.integers(2)), True)
            text = (
                text if text not in [world.sentence(scene, which, True) for which in range(2)] else "There is nothing."
            )
        else:
            text = form + world.caption(told, rng)
        wrong.append({"image": other, "scene": other, "text": text})
    return right + wrong


# ---- tokens ----


@lru_cache
def tokenizer():
    """CLIP's own tokenizer, as open_clip has it."""
    import open_clip

    return open_clip.SimpleTokenizer()


@lru_cache
def used_tokens() -> tuple[int, ...]:
    """The tokens of this world, ascending, so that the end token stays the highest; 0 is SD3's second padding."""
    words = " ".join([*world.words(), PREFIX, "There is nothing.", ".", ","])
    return tuple(sorted({0, 49406, 49407, *tokenizer().encode(words)}))


@lru_cache
def _places() -> dict[int, int]:
    return {token: at for at, token in enumerate(used_tokens())}


@lru_cache(maxsize=65536)
def _small(text: str, length: int) -> tuple[int, ...]:
    places = _places()
    tokens = [places.get(token, 0) for token in tokenizer().encode(text)[: length - 2]]
    return (places[49406], *tokens, places[49407])


def small_ids(texts: list[str], padding: int = 0, length: int = TOKENS) -> torch.Tensor:
    """Texts as numbers of the small vocabulary, n x length; a token that it lacks is 0."""
    ids = np.full((len(texts), length), padding)
    for row, text in enumerate(texts):
        tokens = _small(text, length)
        ids[row, : len(tokens)] = tokens
    return torch.from_numpy(ids)


def full(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of an open_clip model with CLIP's whole vocabulary and length; later places are as the last learnt."""
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("entity_")}
    places = state["positional_embedding"]
    longer = torch.cat([places, places[-1:].expand(CONFIG["text_cfg"]["context_length"] - len(places), -1)])
    return state | {
        "token_embedding.weight": widened(state["token_embedding.weight"]),
        "positional_embedding": longer.contiguous(),
    }


def normalising(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state of a model that takes normalised pictures, from one of a model that takes them in [-1, 1].

    With x = 2 (mean + deviation n) - 1, the factor goes into the patches' kernel and the rest into their places.
    """
    kernel, places = state["visual.conv1.weight"], state["visual.positional_embedding"].clone()
    mean, deviation = (torch.from_numpy(each).to(kernel.device) for each in (MEAN, STD))
    places[1:] += (kernel.sum((2, 3)) @ (2 * mean - 1))[None]
    return state | {
        "visual.conv1.weight": kernel * (2 * deviation)[None, :, None, None],
        "visual.positional_embedding": places,
    }


def widened(rows: torch.Tensor) -> torch.Tensor:
    """Rows of the small vocabulary among 49408."""
    wide = rows.new_zeros(VOCABULARY, rows.shape[1])
    wide[list(used_tokens())] = rows
    return wide
