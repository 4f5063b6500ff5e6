"""BLIP's image encoder and text model: a second implementation, from their definitions, in float64, no transformers.

Reads a checkpoint under the authors' names. One image, one text, no padding.
"""

import math

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import gelu, layer_norm, linear


class Blip:
    """Tensors by the authors' names, under a prefix."""

    def __init__(self, state: dict, prefix: str = ""):
        self.state, self.prefix = state, prefix

    def tensor(self, name: str) -> torch.Tensor:
        return self.state[self.prefix + name].double()

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"))

    def norm(self, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
        return layer_norm(x, x.shape[-1:], self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), eps)

    def count(self, pattern: str) -> int:
        return sum(self.prefix + pattern.format(n) in self.state for n in range(99))

    def image_states(self, pixels: np.ndarray) -> torch.Tensor:
        """(patches + 1, width) from (3, side, side): a vision transformer with a norm before each block."""
        kernel = self.tensor("visual_encoder.patch_embed.proj.weight")
        patches = torch.nn.functional.conv2d(
            torch.from_numpy(pixels)[None].double(),
            kernel,
            self.tensor("visual_encoder.patch_embed.proj.bias"),
            stride=kernel.shape[-1],
        )
        x = torch.cat([self.tensor("visual_encoder.cls_token")[0], patches[0].flatten(1).T])
        x = x + self.tensor("visual_encoder.pos_embed")[0]
        for n in range(self.count("visual_encoder.blocks.{}.norm1.weight")):
            block = f"visual_encoder.blocks.{n}"
            query, key, value = self.linear(f"{block}.attn.qkv", self.norm(f"{block}.norm1", x, 1e-6)).chunk(3, -1)
            x = x + self.linear(f"{block}.attn.proj", attend(query, key, value))
            inner = gelu(self.linear(f"{block}.mlp.fc1", self.norm(f"{block}.norm2", x, 1e-6)))
            x = x + self.linear(f"{block}.mlp.fc2", inner)
        return self.norm("visual_encoder.norm", x, 1e-6)

    def text_states(self, part: str, ids: list[int], image_states: torch.Tensor) -> torch.Tensor:
        """(tokens, width): BERT whose layers attend to themselves, then to `image_states`; a norm after each step."""
        x = self.tensor(f"{part}embeddings.word_embeddings.weight")[ids]
        x = x + self.tensor(f"{part}embeddings.position_embeddings.weight")[: len(ids)]
        x = self.norm(f"{part}embeddings.LayerNorm", x, 1e-12)
        for n in range(self.count(f"{part}encoder.layer.{{}}.output.dense.weight")):
            layer = f"{part}encoder.layer.{n}"
            for step, at in (("attention", x), ("crossattention", image_states)):
                at = x if step == "attention" else at
                heads = [
                    self.linear(f"{layer}.{step}.self.{name}", each)
                    for name, each in (("query", x), ("key", at), ("value", at))
                ]
                x = self.add_and_norm(f"{layer}.{step}.output", attend(*heads), x)
            x = self.add_and_norm(f"{layer}.output", gelu(self.linear(f"{layer}.intermediate.dense", x)), x)
        return x

    def add_and_norm(self, name: str, update: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.norm(f"{name}.LayerNorm", self.linear(f"{name}.dense", update) + x, 1e-12)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary for each state of the answer decoder."""
        head = "text_decoder.cls.predictions"
        inner = self.norm(f"{head}.transform.LayerNorm", gelu(self.linear(f"{head}.transform.dense", states)), 1e-12)
        table = self.tensor("text_decoder.bert.embeddings.word_embeddings.weight")
        return inner @ table.T + self.tensor(f"{head}.bias")


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Multi-head attention with heads of width 64."""
    heads = query.shape[-1] // 64
    wide = query.shape[-1] // heads
    split = [x.reshape(x.shape[0], heads, wide).transpose(0, 1) for x in (query, key, value)]
    shares = (split[0] @ split[1].transpose(1, 2) / math.sqrt(wide)).softmax(-1)
    return (shares @ split[2]).transpose(0, 1).reshape(query.shape[0], -1)


def word_ids(words: list[str], text: str, first: str, limit: int) -> list[int]:
    """Greedy word pieces of an ASCII text in lower case, between a first token and [SEP], cut to `limit`."""
    known, ids = {word: n for n, word in enumerate(words)}, []
    spaced = "".join(c if c.isalnum() else f" {c} " for c in text.lower())
    for word in spaced.split():
        start = 0
        while start < len(word):
            pieces = [("##" if start else "") + word[start:end] for end in range(len(word), start, -1)]
            piece = next(piece for piece in pieces if piece in known)
            ids.append(known[piece])
            start += len(piece.removeprefix("##") if start else piece)
    known |= {"[DEC]": len(words), "[ENC]": len(words) + 1}
    return [known[first], *ids[: limit - 2], known["[SEP]"]]


def prepared(image: Image.Image, side: int, crop: bool) -> np.ndarray:
    """The authors' own torchvision transforms of an RGB image."""
    from detailscribe.engines import torch_setup  # noqa: F401 - before torchvision

    from torchvision import transforms  # isort: skip

    bicubic = transforms.InterpolationMode.BICUBIC
    size = [transforms.Resize(side, bicubic), transforms.CenterCrop(side)]
    steps = [
        *(size if crop else [transforms.Resize((side, side), bicubic)]),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ]
    return transforms.Compose(steps)(image).numpy()


def image_reward(state: dict, words: list[str], prompt: str, image: Image.Image) -> float:
    """ImageReward of one pair."""
    blip = Blip(state, "blip.")
    side = round((state["blip.visual_encoder.pos_embed"].shape[1] - 1) ** 0.5) * 16
    image_states = blip.image_states(prepared(image, side, crop=True))
    x = blip.text_states("text_encoder.", word_ids(words, prompt, "[CLS]", 35), image_states)[0]
    for n in (0, 2, 4, 6, 7):
        x = linear(x, state[f"mlp.layers.{n}.weight"].double(), state[f"mlp.layers.{n}.bias"].double())
    return (x.item() - 0.16717362830052426) / 1.0333394966054072


def p_yes(state: dict, words: list[str], question: str, image: Image.Image) -> float:
    """p(yes) / (p(yes) + p(no)) of a question in lower case whose only punctuation is its question mark."""
    blip = Blip(state)
    side = round((state["visual_encoder.pos_embed"].shape[1] - 1) ** 0.5) * 16
    image_states = blip.image_states(prepared(image, side, crop=False))
    text_states = blip.text_states("text_encoder.", word_ids(words, question, "[ENC]", 35), image_states)
    decoded = blip.text_states("text_decoder.bert.", [len(words)], text_states)
    shares = blip.logits(decoded)[0].softmax(-1)
    yes, no = (shares[words.index(word)].item() for word in ("yes", "no"))
    return yes / (yes + no)
