"""Weights of BLIP-VQA: the authors' checkpoint from a URL or a folder, or a model in transformers' form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weights import local_folder
from detailscribe.errors import SetupError
from detailscribe.scores import blip

if TYPE_CHECKING:
    from transformers import BlipForQuestionAnswering

_PREFIXES = {
    "visual_encoder.": "vision_model.",
    "text_encoder.": "text_encoder.",
    "text_decoder.": "text_decoder.",
}


def load_network(model: str, revision: str) -> BlipForQuestionAnswering:
    """Load the network.

    Args:
        model: URL of the authors' `.pth` file (then kept in torch's cache), "local-dir:FOLDER" with that file or with
            a model in transformers' form, or a hub repository of the latter.
        revision: Of the hub repository.

    Raises:
        SetupError: a file cannot be found, downloaded or read, or is not such a model.
    """
    if is_url(model):
        return _from_authors(_download(model), model)
    if checkpoint := _checkpoint_in(model):
        return _from_authors(blip.read_checkpoint(checkpoint), str(checkpoint))
    return _from_transformers(blip.fetch_weight_file(model, "config.json", revision), model, revision)


def is_url(model: str) -> bool:
    """Whether a `model` is the URL of a file."""
    return model.startswith(("https://", "http://", "file://"))


def _from_authors(state: dict, name: str) -> BlipForQuestionAnswering:
    """The network with the weights of the authors' checkpoint; sizes are inferred from them; `name` is for errors."""
    from transformers import BlipConfig, BlipForQuestionAnswering

    state = blip.rename_state(state, _PREFIXES)
    words = state["text_encoder.embeddings.word_embeddings.weight"]
    text = {
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "encoder_hidden_size": state["vision_model.embeddings.class_embedding"].shape[-1],
        "intermediate_size": state["text_encoder.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "num_hidden_layers": blip.count_layers(state, "text_encoder.encoder.layer."),
        "num_attention_heads": words.shape[1] // blip.HEAD_WIDTH,
        "max_position_embeddings": state["text_encoder.embeddings.position_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "bos_token_id": words.shape[0] - 2,  # [DEC], which BLIP adds to BERT's words, followed by [ENC]
        "is_decoder": True,
    }
    vision = blip.vision_config(state, "vision_model.")
    network = BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=vision))
    blip.load_strictly(network, state, name)
    return network


def _checkpoint_in(model: str) -> Path | None:
    """The authors' checkpoint in a local folder; None if there is none, or if `model` is not a folder."""
    folder = local_folder(model.removeprefix(LOCAL_DIR))
    return next(iter(sorted(folder.glob("*.pth"))), None) if folder else None


def _download(url: str) -> dict:
    import torch

    try:
        state = torch.hub.load_state_dict_from_url(url, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SetupError(
            f"{url} could not be fetched ({error}): connect to the network once, or put the file into a folder and set "
            "`model` to local-dir:FOLDER"
        ) from error
    return state.get("model", state)


def _from_transformers(config: Path, model: str, revision: str) -> BlipForQuestionAnswering:
    from transformers import BlipConfig, BlipForQuestionAnswering

    sizes = BlipConfig.from_json_file(config)
    vision: Any = sizes.vision_config
    text: Any = sizes.text_config
    vision.layer_norm_eps, text.layer_norm_eps = 1e-6, 1e-12  # as trained
    path = str(config.parent) if model.startswith(LOCAL_DIR) else model
    try:
        return BlipForQuestionAnswering.from_pretrained(path, revision=revision or "main", config=sizes)
    except (OSError, ValueError, RuntimeError) as error:
        if device_error(error):
            raise
        raise SetupError(
            f"{model} is not a BLIP for question answering ({str(error).strip().splitlines()[0]}): correct `model`"
        ) from error
