"""BLIP checkpoints and tokenizer, for ImageReward and BLIP-VQA: tensor names, sizes, loading, BERT word pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weights import fetch_model_file
from detailscribe.errors import SetupError

if TYPE_CHECKING:
    from transformers import BertTokenizer

HEAD_WIDTH = 64  # of every attention head in BLIP, the small and the large one
# Name patterns of the image encoder's parts: the authors', and those of transformers.
_PARTS = [
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.(\d+)\.norm(\d)\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.\1.self_attn.qkv."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.projection."),
    (r"^blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
]


def rename_state(state: dict, prefixes: dict[str, str]) -> dict:
    """The authors' checkpoint under transformers' names.

    Args:
        state: Tensors by the authors' names.
        prefixes: Our prefix by theirs, of each part that is used; other tensors are dropped.
    """
    result = {}
    for name, tensor in state.items():
        theirs = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if theirs is None or name.endswith("position_ids"):
            continue
        rest = name.removeprefix(theirs)
        if theirs.endswith("visual_encoder."):
            for pattern, ours in _PARTS:
                rest = re.sub(pattern, ours, rest)
        result[prefixes[theirs] + rest] = tensor
    return result


def vision_config(state: dict, prefix: str) -> dict:
    """Keywords of transformers' BlipVisionConfig, inferred from the weights of an image encoder under our names."""
    patches = state[f"{prefix}embeddings.patch_embedding.weight"]
    width, patch = patches.shape[0], patches.shape[-1]
    patches_per_side = round((state[f"{prefix}embeddings.position_embedding"].shape[1] - 1) ** 0.5)
    return {
        "hidden_size": width,
        "intermediate_size": state[f"{prefix}encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": count_layers(state, f"{prefix}encoder.layers."),
        "num_attention_heads": width // HEAD_WIDTH,
        "image_size": patches_per_side * patch,
        "patch_size": patch,
        "layer_norm_eps": 1e-6,  # timm's, as BLIP was trained; transformers' default is 1e-5
        "attention_dropout": 0.0,
    }


def count_layers(state: dict, prefix: str) -> int:
    """Number of numbered layers under a prefix."""
    return 1 + max(int(name.removeprefix(prefix).partition(".")[0]) for name in state if name.startswith(prefix))


def load_strictly(module, state: dict, name: str) -> None:
    """Load a state dict into a module; the tensors must match exactly.

    Args:
        name: Of the checkpoint, for errors.

    Raises:
        SetupError: names the first missing and unexpected tensors.
    """
    try:
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        if device_error(error):
            raise
        raise SetupError(f"{name} has tensors of other shapes ({_first_names(str(error).splitlines()[1:])})") from error
    if missing or unexpected:
        raise SetupError(
            f"{name} is not the expected checkpoint: missing {_first_names(missing)}, unexpected "
            f"{_first_names(unexpected)}; download it again, or correct `model`"
        )


def fetch_weight_file(model: str, name: str, revision: str) -> Path:
    """A file of a metric's `model`: `local-dir:FOLDER`, or a hub repository at a revision."""
    return fetch_model_file(model.removeprefix(LOCAL_DIR), name, revision)


def hub_files(entries: Iterable[tuple[str, str, list[str]]]) -> list[dict]:
    """Those of (model, revision, files) that come from the hub, as repository, revision, files."""
    keys = ("repository", "revision", "files")
    return [dict(zip(keys, entry, strict=True)) for entry in entries if not entry[0].startswith(LOCAL_DIR)]


def read_checkpoint(path: Path) -> dict:
    """The tensors of a `.pt` or `.pth` file, read without executing code in it."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if device_error(error):
            raise
        raise SetupError(f"{path} cannot be read as weights ({type(error).__name__}): download it again") from error
    return state.get("model", state)


def load_tokenizer(vocabulary: str) -> BertTokenizer:
    """BERT's uncased tokenizer, with the two tokens of BLIP added if the vocabulary lacks them.

    Args:
        vocabulary: Location of vocab.txt: `local-dir:FOLDER` or a hub repository.
    """
    from transformers import BertTokenizer

    lines = fetch_weight_file(vocabulary, "vocab.txt", "").read_text(encoding="utf-8").split("\n")
    words = {word: index for index, word in enumerate(lines[:-1] if not lines[-1] else lines)}
    for token in ("[DEC]", "[ENC]"):
        words.setdefault(token, len(words))
    return BertTokenizer(vocab=words)


def _first_names(names: Iterable[str]) -> str:
    names = [" ".join(name.split()) for name in names]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"
