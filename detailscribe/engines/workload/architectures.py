"""Architectures of Stable Diffusion 3 models, of published ones or from config files, and their parts without weights.

Parts are built on torch's meta device: tensors have shapes and types, but no memory. The models of `PUBLISHED` need no
file on this machine.

Source: the config files of the repositories named in `PUBLISHED`; number of weights checked against the published ones.
"""

import importlib
import json
from dataclasses import dataclass, field

import torch

from detailscribe.engines.acceleration.options import SD3
from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import fetch_model_file
from detailscribe.errors import SetupError

ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
PARTS = (*ENCODERS, "transformer", "vae")


@dataclass(frozen=True)
class Part:
    """A part of a pipeline: its class in diffusers or transformers, and the values of its config file."""

    library: str
    name: str
    config: dict = field(hash=False)

    def build(self, dtype: torch.dtype) -> torch.nn.Module:
        """The part on the meta device, in a data type."""
        kind = getattr(importlib.import_module(self.library), self.name)
        with torch.device("meta"):
            if self.library == "diffusers":
                part = kind.from_config(self.config)
            else:
                part = kind(kind.config_class(**self.config))
        return torch.nn.Module.to(part.eval(), dtype)  # that of diffusers warns of what is right here


def _clip(width: int, layers: int, activation: str) -> Part:
    sizes = {"hidden_size": width, "projection_dim": width, "intermediate_size": 4 * width}
    depth = {"num_hidden_layers": layers, "num_attention_heads": width // 64, "hidden_act": activation}
    tokens = {"vocab_size": 49408, "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 2}
    return Part("transformers", "CLIPTextModelWithProjection", sizes | depth | tokens)


T5_XXL = {"vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 16,
    "sample_size": 1024,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
SHARED = {
    "text_encoder": _clip(768, 12, "quick_gelu"),
    "text_encoder_2": _clip(1280, 32, "gelu"),
    "text_encoder_3": Part("transformers", "T5EncoderModel", T5_XXL | {"feed_forward_proj": "gated-gelu"}),
    "vae": Part("diffusers", "AutoencoderKL", VAE),
}


def _published(layers: int, **more) -> dict[str, Part]:
    config = {
        "num_layers": layers,
        "num_attention_heads": layers,
        "attention_head_dim": 64,
        "caption_projection_dim": 64 * layers,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 2048,
        "in_channels": 16,
        "out_channels": 16,
        "patch_size": 2,
        "sample_size": 128,
        "pos_embed_max_size": 192,
    }
    return SHARED | {"transformer": Part("diffusers", "SD3Transformer2DModel", config | more)}


PUBLISHED = {
    "stabilityai/stable-diffusion-3.5-large": _published(38, qk_norm="rms_norm"),
    "stabilityai/stable-diffusion-3.5-medium": _published(
        24, qk_norm="rms_norm", dual_attention_layers=list(range(13)), pos_embed_max_size=384
    ),
    "stabilityai/stable-diffusion-3-medium-diffusers": _published(24),
}


def architecture(path: str, revision: str = "") -> dict[str, Part]:
    """The parts of a Stable Diffusion 3 model, by their names in the pipeline; a model without T5 lacks that part.

    Args:
        path: A repository of `PUBLISHED`, another one that was fetched, or a folder.
        revision: Of the repository.

    Raises:
        SetupError: the model is not on this machine, or is another kind of model.
    """
    if path in PUBLISHED:
        return PUBLISHED[path]
    folder = resolve_model_path(path, revision)
    index = _read(folder, "model_index.json", revision)
    if index.get("_class_name") != SD3:
        raise SetupError(f"{path} holds a {index.get('_class_name')}: memory and work are known for {SD3} alone")
    classes = {name: index[name] for name in PARTS if any(index.get(name) or [])}
    return {
        name: Part(library, kind, _read(folder, f"{name}/config.json", revision))
        for name, (library, kind) in classes.items()
    }


def _read(path: str, name: str, revision: str) -> dict:
    try:
        return dict(json.loads(fetch_model_file(path, name, revision).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise SetupError(f"the {name} of {path} cannot be read: fetch or build the model again") from error
