"""The miniature's BLIP-VQA: yes or no to a phrase about a picture. The metric asks it, and so does the critic."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.miniature import blip, clip, world
from detailscribe.miniature.training import Plan, disturbed, normalised, pixels

PLAN = Plan(steps=8000, batch=24, rate=1e-3, falls=0.5, compiled=False, seed=4)
SIZES = blip.Sizes(128, 3, world.SIDE_PX, 128, 1, 48, patch_px=16, growth=1)
QUESTIONS = 8  # of a picture, half of them true
TOKENS = 12
SHOWN = ((True, True), (True, False), (True, True), (False, True))
PATCH_SPREAD = 1.3  # standard deviation of the trained CLIP's patches before its first normalisation
POSITIVE = 4.0  # weight of an entity that is there, when patches are learnt
THINGS = len(world.ENTITIES) + len(world.PLURALS)  # the first of `world.phrases`, which name no place
PLACES = world.places()


class VqaModel(nn.Module):
    """BLIP with several questions a picture: logits over all words for the first word of each answer.

    While it learns it also says which entities each patch shows, so that its picture encoder need not find out from
    answers alone what there is to see.
    """

    def __init__(self):
        super().__init__()
        self.model = blip.blip_vqa(words(), SIZES)
        self.entity_there = nn.Linear(SIZES.vision_width, len(world.ENTITIES))

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Args: images, n x 3 x 96 x 96, normalised; ids, n x questions x 12, padded with 0.

        Returns: logits of words, n * questions x words; of entities, n x 36 patches x 24.
        """
        asked = ids.shape[1]
        patches = self.model.vision_model(pixel_values=images).last_hidden_state
        seen = patches.repeat_interleave(asked, 0)
        flat = ids.flatten(0, 1)
        mask = (flat != 0).long()
        read = self.model.text_encoder(input_ids=flat, attention_mask=mask, encoder_hidden_states=seen)
        # The decoder of transformers looks at padding, mask or no mask: questions of one length go together.
        lengths, parts, rows = mask.sum(1), [], []
        for length in lengths.unique().tolist():
            at = (lengths == length).nonzero()[:, 0]
            start = torch.full((len(at), 1), self.model.decoder_start_token_id, device=ids.device)
            states = read.last_hidden_state[at, :length]
            said = self.model.text_decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
            parts.append(said.logits[:, 0])
            rows.append(at)
        return torch.cat(parts)[torch.cat(rows).argsort()], self.entity_there(patches[:, 1:])


def build() -> VqaModel:
    """The model, untrained."""
    return VqaModel()


@torch.no_grad()
def begin(model: VqaModel, trained_clip: nn.Module) -> None:
    """Take over the picture encoder of a trained CLIP, as BLIP began with one that knew pictures.

    It is only a beginning: CLIP has more heads, and normalises once more before its first layer, which is done here
    for the patches on average.
    """
    state = clip.normalising(trained_clip.state_dict())
    found, first = {}, trained_clip.visual.ln_pre
    scale = first.weight / PATCH_SPREAD
    kernel, places = state["visual.conv1.weight"], state["visual.positional_embedding"]
    found["embeddings.patch_embedding.weight"] = (kernel - kernel.mean(0)) * scale[:, None, None, None]
    found["embeddings.patch_embedding.bias"] = first.bias
    start = first(state["visual.class_embedding"] + places[0])
    patches = (places[1:] - places[1:].mean(1, keepdim=True)) * scale
    found["embeddings.class_embedding"] = start[None, None]
    found["embeddings.position_embedding"] = torch.cat([torch.zeros_like(start)[None], patches])[None]
    parts = clip.PARTS | {"attn.in_proj": "self_attn.qkv", "attn.out_proj": "self_attn.projection"}
    for name, tensor in state.items():
        if name.startswith("visual.transformer.resblocks."):
            layer, rest = name.removeprefix("visual.transformer.resblocks.").split(".", 1)
            part, kind = rest.replace("in_proj_", "in_proj.").rsplit(".", 1)
            found[f"encoder.layers.{layer}.{parts[part]}.{kind}"] = tensor
        elif name.startswith("visual.ln_post."):
            found[f"post_layernorm.{name.removeprefix('visual.ln_post.')}"] = tensor
    model.model.vision_model.load_state_dict(found)


class Loss:
    """Answers about scenes, whole or with a part missing, and about collages.

    Scenes alone would teach that held-out pairings do not occur; things alone and things anywhere teach what they are.
    """

    def __init__(self, sprites: dict, device: torch.device):
        self._sprites, self._device = sprites, device
        self._yes, self._no = (words().index(word) for word in ("yes", "no"))

    def __call__(self, model, rng: np.random.Generator, batch: int) -> torch.Tensor:
        images, asked, answers, shown = [], [], [], []
        for _ in range(batch):
            if rng.random() < 0.3:
                image, boxes, _ = world.collage(rng, self._sprites, most=3)
                questions, true = ask_of_collage({box[0] for box in boxes}, rng)
            else:
                whole = world.random_scene(rng)
                scene = replace(whole, shown=SHOWN[int(rng.integers(len(SHOWN)))])
                image, boxes = world.draw(scene, self._sprites), scene.boxes()
                questions, true = ask(scene, whole, rng)
            images.append(image)
            shown.append(covered(boxes))
            asked.append([ids(f"{question}?", TOKENS, "[ENC]") for question in questions])
            answers += [self._yes if each else self._no for each in true]
        pictures = normalised(disturbed(pixels(images, self._device), rng))
        logits, found = model(pictures, torch.tensor(asked, device=self._device))
        answered = functional.cross_entropy(logits.float(), torch.tensor(answers, device=self._device))
        there = torch.from_numpy(np.stack(shown)).to(self._device)
        weight = torch.tensor(POSITIVE, device=self._device)
        return answered + functional.binary_cross_entropy_with_logits(found.float(), there, pos_weight=weight)


def covered(boxes: list) -> np.ndarray:
    """Which entities lie over the centre of each patch: float32, 36 x 24."""
    cells = world.SIDE_PX // SIZES.patch_px
    centres = SIZES.patch_px * np.arange(cells) + (SIZES.patch_px - 1) / 2
    there = np.zeros((cells, cells, len(world.ENTITIES)), np.float32)
    for entity, x, y, side in boxes:
        over = (np.abs(centres[:, None] - y) < side / 2) & (np.abs(centres[None] - x) < side / 2)
        there[over, world.ENTITIES.index(entity)] = 1
    return there.reshape(cells * cells, -1)


def ask(scene: world.Scene, whole: world.Scene, rng: np.random.Generator) -> tuple[list[str], list[bool]]:
    """Questions about a drawn scene, half of them true.

    Of the others one is about what is missing, if anything is, one about a thing in a wrong place, and the rest about
    any thing, anywhere.
    """
    true, open_ = world.true_phrases(scene)
    every = world.phrases()
    yes = sorted(true)
    picked = [yes[at] for at in rng.permutation(len(yes))[: QUESTIONS // 2]]
    missing = sorted(world.true_phrases(whole)[0] - true - open_)
    no = [missing[int(rng.integers(len(missing)))]] if missing else []
    things = [thing for thing in true if f"{thing} at the top" in every]
    while len(picked) + len(no) < QUESTIONS:
        phrase = every[int(rng.integers(len(every)))] if rng.random() < 0.6 else every[int(rng.integers(THINGS))]
        if things and len(no) < 2:
            phrase = f"{things[int(rng.integers(len(things)))]} {PLACES[int(rng.integers(len(PLACES)))]}"
        if phrase not in true and phrase not in open_:
            no.append(phrase)
    return picked + no, [True] * len(picked) + [False] * len(no)


def ask_of_collage(shown: set[str], rng: np.random.Generator) -> tuple[list[str], list[bool]]:
    """Questions about what a collage shows, wherever it lies; half of them true."""
    there, absent = sorted(shown), [entity for entity in world.ENTITIES if entity not in shown]
    half = QUESTIONS // 2
    asked = [there[int(rng.integers(len(there)))] for _ in range(half)]
    asked += [absent[at] for at in rng.permutation(len(absent))[:half]]
    return [world.with_article(entity) for entity in asked], [True] * half + [False] * half


@lru_cache
def words() -> list[str]:
    """BERT's word pieces of this world."""
    return blip.vocabulary([" ".join(world.words())])


def tokenizer():
    """BERT's tokenizer over them."""
    from transformers import BertTokenizer

    return BertTokenizer(vocab=dict(_numbers()))


@lru_cache
def _numbers() -> dict[str, int]:
    known = {word: at for at, word in enumerate(words())}
    return known | {"[DEC]": len(known), "[ENC]": len(known) + 1}


@lru_cache(maxsize=65536)
def ids(text: str, length: int, first: str = "[CLS]") -> tuple[int, ...]:
    """A text of this world's words as word pieces, cut and padded to a length; what BERT's tokenizer gives."""
    numbers = _numbers()
    pieces = [numbers.get(word, numbers["[UNK]"]) for word in re.findall(r"[a-z]+|[^a-z\s]", text.lower())]
    row = (numbers[first], *pieces[: length - 2], numbers["[SEP]"])
    return row + (0,) * (length - len(row))
