"""Tiny ImageReward and BLIP-VQA with random weights, in the files of the real ones."""

import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from detailscribe import torch_setup  # noqa: F401 - before transformers

WORDS = 2000  # of the vocabulary, at most
WIDTH = 64  # of the text and the picture side: one head, as wide as each of BLIP's
LAYERS, SIDE_PX, PATCH_PX = 2, 64, 16
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SEEDS = {"image_reward": 7, "blip_vqa": 8}
# Factors on the spread of some weights, so that scores differ between pictures and lie about where real ones do.
GAIN, GAINS = 1.5, {r"^mlp\.": 1.0, r"word_embeddings": 1.2}


def save(folder: Path, texts: list[str]) -> None:
    """Make `folder`/image_reward and `folder`/blip_vqa; the texts decide the vocabulary."""
    words = vocabulary(texts)
    for name, build in (("image_reward", _image_reward), ("blip_vqa", _blip_vqa)):
        (folder / name).mkdir()
        (folder / name / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        build(folder / name, len(words) + 2)


def vocabulary(texts: list[str]) -> list[str]:
    """Word pieces: the words of the texts by frequency, and every letter alone and inside a word."""
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = dict.fromkeys([*SPECIAL, "yes", "no", *letters, *(f"##{letter}" for letter in letters)])
    counted = Counter(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))
    for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        pieces.setdefault(word)
    return list(pieces)[:WORDS]


def _text(words: int) -> dict:
    return {
        "vocab_size": words,
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 1,
        "max_position_embeddings": 64,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "bos_token_id": words - 2,  # [DEC], which BLIP adds to the vocabulary, and [ENC] after it
        "sep_token_id": 3,
    }


def _vision() -> dict:
    sizes = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 1}
    return {**sizes, "image_size": SIDE_PX, "patch_size": PATCH_PX, "layer_norm_eps": 1e-6}


def _image_reward(folder: Path, words: int) -> None:
    from torch import nn
    from transformers.models.blip.configuration_blip import BlipTextConfig, BlipVisionConfig
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    text = BlipTextConfig(**_text(words), encoder_hidden_size=WIDTH, is_decoder=True)
    widths = [WIDTH, 1024, 128, 64, 16, 1]
    model = nn.ModuleDict(
        {
            "vision": BlipVisionModel(BlipVisionConfig(**_vision())),
            "text": BlipTextModel(text, add_pooling_layer=False),
            # The authors' numbers of the layers, among which the dropouts count.
            "mlp": nn.ModuleDict(
                {str(at): nn.Linear(a, b) for at, a, b in zip([0, 2, 4, 6, 7], widths, widths[1:], strict=False)}
            ),
        }
    )
    _fill(model, SEEDS["image_reward"])
    torch.save({authors_name(name): tensor for name, tensor in model.state_dict().items()}, folder / "ImageReward.pt")
    (folder / "med_config.json").write_text(json.dumps(_text(words), indent=2) + "\n", encoding="utf-8")


def _blip_vqa(folder: Path, words: int) -> None:
    from transformers import BlipConfig, BlipForQuestionAnswering

    text = {**_text(words), "encoder_hidden_size": WIDTH, "is_decoder": True}
    model = BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=_vision()))
    _fill(model, SEEDS["blip_vqa"])
    model.save_pretrained(folder)


def authors_name(name: str) -> str:
    """The authors' name of a tensor of ImageReward."""
    for ours, theirs in (("vision.", "blip.visual_encoder."), ("text.", "blip.text_encoder."), ("mlp.", "mlp.layers.")):
        name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
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


def _fill(model: torch.nn.Module, seed: int) -> None:
    """Replace every parameter: norms by 1, biases by 0, the rest by a uniform stream, exact on every machine."""
    stream = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0)
                continue
            inputs = WIDTH if "embedding" in name else math.prod(parameter.shape[1:])
            gain = next((gain for pattern, gain in GAINS.items() if re.search(pattern, name)), GAIN)
            values = (stream.random(tuple(parameter.shape), dtype=np.float32) - 0.5) * np.float32(
                gain * math.sqrt(12 / inputs)
            )
            parameter.copy_(torch.from_numpy(values))
