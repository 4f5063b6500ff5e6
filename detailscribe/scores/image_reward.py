"""ImageReward: human preference between images, learnt from rankings.

Formula: (MLP(h) - mean) / deviation, where h is BLIP's text encoder, at its first token, reading the prompt
with cross-attention to the image. Unbounded, real images mostly -2 to 2; higher is better. A prompt is cut at 35 word
pieces, including its start and end token, as in the authors' code. A table's value is the mean over images.

Source: Xu et al. 2023, "ImageReward: Learning and Evaluating Human Preferences for Text-to-Image Generation"; weights
ImageReward-v1.0. Runs on transformers' BLIP, because the authors' package cannot be imported with current transformers;
`image_reward_package` is the same metric through that package, in a separate environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.scores import blip

if TYPE_CHECKING:
    from PIL import Image

ALGORITHM = 1
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")

MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072  # of the raw rewards of the authors' test set
TOKENS = 35
CHECKPOINT, TEXT_CONFIG = "ImageReward.pt", "med_config.json"
TEXT_CONFIG_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "hidden_act", "layer_norm_eps", "pad_token_id"),
)
RECIPE = {"tokens": TOKENS, "picture": "Pillow, bicubic, centre crop", "standardised": [MEAN, DEVIATION]}
_PREFIXES = {
    "blip.visual_encoder.": "vision.",
    "blip.text_encoder.": "text.",
    "mlp.layers.": "mlp.",
}


class Scorer:
    """A loaded ImageReward."""

    def __init__(self, model, tokenizer, device):
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._tokens = lru_cache(maxsize=4096)(self._encode)  # a prompt is scored once per image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """Reward of each pair; images of any mode and size. No pairs, no rewards.

        One pair at a time, and the prompt padded to 35 word pieces as in the authors' code: the padding is masked, but
        without it the last digits would differ.
        """
        import torch

        from detailscribe.scores.preparation import resize_and_crop

        scores = []
        side = self._model["vision"].config.image_size
        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(resize_and_crop(image, side))[None].to(self._device)
                image_states = self._model["vision"](pixel_values=pixels).last_hidden_state
                text_states = self._model["text"](**self._tokens(prompt), encoder_hidden_states=image_states)
                reward = self._model["mlp"](text_states.last_hidden_state[:, 0])
                scores.append(((reward - MEAN) / DEVIATION).item())
        return scores

    def _encode(self, prompt: str) -> dict:
        padded = {"padding": "max_length", "truncation": True, "max_length": TOKENS, "return_tensors": "pt"}
        tokens = self._tokenizer(prompt, **padded).to(self._device)
        return {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._tokenizer.get_vocab()])


def load(parameters: dict) -> Scorer:
    """Load ImageReward.

    Args:
        parameters: `model`, "zai-org/ImageReward" or "local-dir:FOLDER" with ImageReward.pt and med_config.json;
            `revision` of the repository; `vocabulary`, a repository or "local-dir:FOLDER" with BERT's vocab.txt.

    Raises:
        SetupError: a file cannot be found, downloaded or read, or is not this checkpoint.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    tokenizer = blip.load_tokenizer(parameters["vocabulary"])
    model = build_network(*(_file(parameters, name) for name in (CHECKPOINT, TEXT_CONFIG)))
    return Scorer(model.eval().to(default_device()), tokenizer, default_device())


def build_network(checkpoint: Path, text_config: Path):
    """The network with the weights of a checkpoint; the sizes of the image encoder are inferred from them."""
    from torch import nn
    from transformers.models.blip.configuration_blip import BlipTextConfig, BlipVisionConfig
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    state = blip.rename_state(blip.read_checkpoint(checkpoint), _PREFIXES)
    vision = BlipVisionConfig(**blip.vision_config(state, "vision."))
    config = json.loads(text_config.read_text(encoding="utf-8"))
    sizes = {name: config[name] for name in TEXT_CONFIG_KEYS}
    sizes |= {"bos_token_id": config["vocab_size"] - 2, "is_decoder": True}
    text = BlipTextConfig(**sizes, encoder_hidden_size=vision.hidden_size)
    widths = [text.hidden_size, 1024, 128, 64, 16, 1]
    linear = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
    # Without effect in evaluation; they give the layers the authors' numbers.
    dropout = [nn.Dropout(share) for share in (0.2, 0.2, 0.1)]
    mlp = nn.Sequential(linear[0], dropout[0], linear[1], dropout[1], linear[2], dropout[2], linear[3], linear[4])
    parts = {"vision": BlipVisionModel(vision), "text": BlipTextModel(text, add_pooling_layer=False), "mlp": mlp}
    model = nn.ModuleDict(parts)
    blip.load_strictly(model, state, str(checkpoint))
    return model


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the word pieces of its prompt with start and end: (in the text, read)."""
    tokenizer = blip.load_tokenizer(parameters["vocabulary"])

    def count(record: dict) -> tuple[int, int]:
        tokens = len(tokenizer(record["prompt"]).input_ids)
        return tokens, min(tokens, TOKENS)

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    files = [(parameters["model"], parameters["revision"], [CHECKPOINT, TEXT_CONFIG])]
    files.append((parameters["vocabulary"], "", ["vocab.txt"]))
    return blip.hub_files(files)


def _file(parameters: dict, name: str) -> Path:
    return blip.fetch_weight_file(parameters["model"], name, parameters["revision"])
