"""ImageReward and BLIP-VQA of any size, in the real models' file formats; with random weights for benchmarks."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEEDS = {"image_reward": 7, "blip_vqa": 8}
# Gains of random weights, and BLIP's bias towards "yes": scores then differ between images and are of realistic size.
GAIN, GAINS, YES = 1.5, {r"^mlp\.": 1.0, r"word_embeddings": 1.2}, 2.5


@dataclass(frozen=True)
class Sizes:
    """Sizes of an image encoder and a text encoder; attention heads are 64 wide, as in BLIP."""

    vision_width: int
    vision_layers: int
    side_px: int
    text_width: int
    text_layers: int
    positions: int
    patch_px: int = 16
    growth: int = 4  # ratio of intermediate to hidden size in the text encoder

    def text(self, words: int) -> dict:
        """Arguments of BlipTextConfig.

        Args:
            words: Size of the vocabulary, of which [DEC] and [ENC] are the last two.
        """
        return {
            "vocab_size": words,
            "hidden_size": self.text_width,
            "intermediate_size": self.growth * self.text_width,
            "num_hidden_layers": self.text_layers,
            "num_attention_heads": self.text_width // 64,
            "max_position_embeddings": self.positions,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "pad_token_id": 0,
            "bos_token_id": words - 2,
            "sep_token_id": 3,
        }

    def vision(self) -> dict:
        """Arguments of BlipVisionConfig."""
        return {
            "hidden_size": self.vision_width,
            "intermediate_size": 4 * self.vision_width,
            "num_hidden_layers": self.vision_layers,
            "num_attention_heads": self.vision_width // 64,
            "image_size": self.side_px,
            "patch_size": self.patch_px,
            "layer_norm_eps": 1e-6,
        }


IMAGE_REWARD = Sizes(1024, 24, 224, 768, 12, 512)
BLIP_VQA = Sizes(768, 12, 480, 768, 12, 512)


def vocabulary(texts: list[str]) -> list[str]:
    """Word pieces: special tokens, every character alone and inside a word, and the texts' words by frequency."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = dict.fromkeys([*SPECIAL, "yes", "no", *letters, *(f"##{letter}" for letter in letters)])
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        pieces.setdefault(word)
    return list(pieces)


def image_reward(words: list[str], sizes: Sizes):
    """ImageReward's untrained network: a ModuleDict of `vision`, `text` and `mlp`."""
    from transformers.models.blip.configuration_blip import BlipTextConfig, BlipVisionConfig
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    text_config = sizes.text(len(words) + 2)
    text = BlipTextConfig(**text_config, encoder_hidden_size=sizes.vision_width, is_decoder=True)
    widths = [sizes.text_width, 1024, 128, 64, 16, 1]
    layers = ["0", "2", "4", "6", "7"]  # the authors' layer numbers; they count the dropouts
    linear = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
    return nn.ModuleDict(
        {
            "vision": BlipVisionModel(BlipVisionConfig(**sizes.vision())),
            "text": BlipTextModel(text, add_pooling_layer=False),
            "mlp": nn.ModuleDict(dict(zip(layers, linear, strict=True))),
        }
    )


def blip_vqa(words: list[str], sizes: Sizes):
    """The untrained BLIP-VQA in transformers' form."""
    from transformers import BlipConfig, BlipForQuestionAnswering

    text = {**sizes.text(len(words) + 2), "encoder_hidden_size": sizes.vision_width, "is_decoder": True}
    return BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=sizes.vision()))


def write_image_reward(folder: Path, state: dict, words: list[str], sizes: Sizes) -> None:
    """Write ImageReward.pt with the authors' tensor names, med_config.json and vocab.txt into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({authors_name(name): tensor for name, tensor in state.items()}, folder / "ImageReward.pt")
    text_config = sizes.text(len(words) + 2)
    text_config["add_cross_attention"] = True  # otherwise the authors' package builds a text model without image input
    (folder / "med_config.json").write_text(json.dumps(text_config, indent=2) + "\n", encoding="utf-8")
    write_vocabulary(folder, words)


def write_blip_vqa(folder: Path, model: Any, words: list[str]) -> None:
    """Write a BLIP-VQA in transformers' form and vocab.txt into a folder."""
    model.save_pretrained(folder)
    write_vocabulary(folder, words)


def save_image_reward(folder: Path, words: list[str], sizes: Sizes) -> None:
    """Write an ImageReward with random weights into a folder."""
    model = image_reward(words, sizes)
    _randomise(model, SEEDS["image_reward"])
    write_image_reward(folder, model.state_dict(), words, sizes)


def save_blip_vqa(folder: Path, words: list[str], sizes: Sizes) -> None:
    """Write a BLIP-VQA with random weights into a folder."""
    model = blip_vqa(words, sizes)
    _randomise(model, SEEDS["blip_vqa"])
    with torch.no_grad():
        model.text_decoder.cls.predictions.bias[words.index("yes")] = YES
    write_blip_vqa(folder, model, words)


def authors_name(name: str) -> str:
    """The authors' name of a tensor of ImageReward or BLIP-VQA, given transformers' name."""
    prefixes = {"vision.": "blip.visual_encoder.", "text.": "blip.text_encoder.", "mlp.": "mlp.layers."}
    for ours, theirs in (prefixes | {"vision_model.": "visual_encoder."}).items():
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    if "visual_encoder" not in name:
        return name
    for ours, theirs in (
        ("embeddings.class_embedding", "cls_token"),
        ("embeddings.position_embedding", "pos_embed"),
        ("embeddings.patch_embedding", "patch_embed.proj"),
        ("post_layernorm", "norm"),
        ("encoder.layers.", "blocks."),
        ("layer_norm", "norm"),
        ("self_attn.projection", "attn.proj"),
        ("self_attn", "attn"),
    ):
        name = name.replace(ours, theirs)
    return name


def write_vocabulary(folder: Path, words: list[str]) -> None:
    """Write BERT's vocab.txt into a folder."""
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")


def _randomise(model: nn.Module, seed: int) -> None:
    """Set norms to 1, biases to 0 and all else to uniform random values, the same on every machine."""
    stream = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0)
                continue
            inputs = parameter.shape[-1] if "embedding" in name else math.prod(parameter.shape[1:])
            gain = next((gain for pattern, gain in GAINS.items() if re.search(pattern, name)), GAIN)
            values = stream.random(tuple(parameter.shape), dtype=np.float32) - 0.5
            parameter.copy_(torch.from_numpy(values * np.float32(gain * math.sqrt(12 / inputs))))
