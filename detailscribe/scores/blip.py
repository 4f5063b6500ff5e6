"""What ImageReward and BLIP-VQA share: the authors' names of BLIP's weights, and BERT's word pieces."""

import re
from collections.abc import Iterable
from pathlib import Path

from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weights import fetch_model_file
from detailscribe.errors import SetupError

HEAD_WIDTH = 64  # of every attention head in BLIP, the small and the large one
# The authors' names of the parts of the picture encoder, and those of transformers.
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


def renamed(state: dict, prefixes: dict[str, str]) -> dict:
    """The parts of an authors' checkpoint under transformers' names.

    Args:
        state: Tensors by the authors' names.
        prefixes: Their prefix of each part that is used, and ours; what has none of them is left out.
    """
    found = {}
    for name, tensor in state.items():
        theirs = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if theirs is None or name.endswith("position_ids"):
            continue
        rest = name.removeprefix(theirs)
        if theirs.endswith("visual_encoder."):
            for pattern, ours in _PARTS:
                rest = re.sub(pattern, ours, rest)
        found[prefixes[theirs] + rest] = tensor
    return found


def vision_sizes(state: dict, prefix: str) -> dict:
    """Keywords of transformers' BlipVisionConfig, read off the weights of a picture encoder under our names."""
    patches = state[f"{prefix}embeddings.patch_embedding.weight"]
    width, patch = patches.shape[0], patches.shape[-1]
    across = round((state[f"{prefix}embeddings.position_embedding"].shape[1] - 1) ** 0.5)
    return {
        "hidden_size": width,
        "intermediate_size": state[f"{prefix}encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": layers(state, f"{prefix}encoder.layers."),
        "num_attention_heads": width // HEAD_WIDTH,
        "image_size": across * patch,
        "patch_size": patch,
        "layer_norm_eps": 1e-6,  # timm's, as BLIP was trained; transformers' default is 1e-5
        "attention_dropout": 0.0,
    }


def layers(state: dict, prefix: str) -> int:
    """How many numbered layers there are under a prefix."""
    return 1 + max(int(name.removeprefix(prefix).partition(".")[0]) for name in state if name.startswith(prefix))


def load_whole(module, state: dict, what: str) -> None:
    """Fill a module; every tensor must find its place.

    Raises:
        SetupError: names the first tensors that are missing or too many.
    """
    try:
        missing, surplus = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise SetupError(f"{what} has tensors of other shapes ({_first(str(error).splitlines()[1:])})") from error
    if missing or surplus:
        raise SetupError(
            f"{what} is not the expected checkpoint: missing {_first(missing)}, unknown {_first(surplus)}; "
            "download it again, or correct `model`"
        )


def weight_file(model: str, name: str, revision: str) -> Path:
    """A file of a metric's `model`: `local-dir:FOLDER`, or a hub repository at a revision."""
    return fetch_model_file(model.removeprefix(LOCAL_DIR), name, revision)


def on_the_hub(wanted: Iterable[tuple[str, str, list[str]]]) -> list[dict]:
    """Of (model, revision, files), those that are fetched, as repository, revision, files."""
    keys = ("repository", "revision", "files")
    return [dict(zip(keys, entry, strict=True)) for entry in wanted if not entry[0].startswith(LOCAL_DIR)]


def read_checkpoint(path: Path) -> dict:
    """The tensors of a `.pt` or `.pth` file; nothing in it is executed."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise SetupError(f"{path} cannot be read as weights ({type(error).__name__}): download it again") from error
    return state.get("model", state)


def word_pieces(vocabulary: str):
    """BERT's uncased tokenizer, with the two tokens that BLIP adds where its vocabulary file has them not.

    Args:
        vocabulary: Where vocab.txt lies: `local-dir:FOLDER` or a hub repository.
    """
    from transformers import BertTokenizer

    lines = weight_file(vocabulary, "vocab.txt", "").read_text(encoding="utf-8").split("\n")
    words = {word: index for index, word in enumerate(lines[:-1] if not lines[-1] else lines)}
    for token in ("[DEC]", "[ENC]"):
        words.setdefault(token, len(words))
    return BertTokenizer(vocab=words)


def _first(names: Iterable[str]) -> str:
    names = [" ".join(name.split()) for name in names]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"
