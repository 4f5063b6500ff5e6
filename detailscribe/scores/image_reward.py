"""ImageReward: what people would prefer, learnt from ranked pictures.

Formula: (MLP(h) - mean) / deviation, where h is BLIP's text encoder, at its first token, reading the prompt with the
picture before it. Unbounded, real pictures mostly -2 to 2; higher is better. A prompt is cut at 35 word pieces, its
start and end token among them, as the authors' code cuts it. A table's value is the mean over images.

Source: Xu et al. 2023, "ImageReward: Learning and Evaluating Human Preferences for Text-to-Image Generation"; weights
ImageReward-v1.0. Runs on transformers' BLIP, since the authors' package does not import beside current transformers;
`image_reward_package` is the same metric through that package, in an environment of its own.
"""

import json
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

from PIL import Image

from detailscribe.scores import blip
from detailscribe.scores.preparation import cropped

ALGORITHM = 1
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")

MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072  # of the raw rewards of the authors' test set
TOKENS = 35
CHECKPOINT, TEXT_CONFIG = "ImageReward.pt", "med_config.json"
RECIPE = {"tokens": TOKENS, "picture": "Pillow, bicubic, centre crop", "standardised": [MEAN, DEVIATION]}
_PREFIXES = {
    "blip.visual_encoder.": "vision.",
    "blip.text_encoder.": "text.",
    "mlp.layers.": "mlp.",
}


class Scorer:
    """A loaded ImageReward."""

    def __init__(self, model, tokenizer, where):
        self._model, self._tokenizer, self._where = model, tokenizer, where
        self._pieces = lru_cache(maxsize=4096)(self._encode)  # a prompt comes once an image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """Reward of each pair; images of any mode and size. No pairs, no rewards.

        One pair at a time, and the prompt padded to 35 pieces like the authors': the padding is masked, but without it
        the last digits would be others.
        """
        import torch

        scores = []
        side = self._model["vision"].config.image_size
        # The patches go through a convolution, which a card would else compute in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(cropped(image, side))[None].to(self._where)
                seen = self._model["vision"](pixel_values=pixels).last_hidden_state
                read = self._model["text"](**self._pieces(prompt), encoder_hidden_states=seen)
                reward = self._model["mlp"](read.last_hidden_state[:, 0])
                scores.append(((reward - MEAN) / DEVIATION).item())
        return scores

    def _encode(self, prompt: str) -> dict:
        padded = {"padding": "max_length", "truncation": True, "max_length": TOKENS, "return_tensors": "pt"}
        pieces = self._tokenizer(prompt, **padded).to(self._where)
        return {"input_ids": pieces.input_ids, "attention_mask": pieces.attention_mask}

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
        SetupError: a file cannot be found, fetched or read, or is not this checkpoint.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    tokenizer = blip.word_pieces(parameters["vocabulary"])
    model = build(*(_file(parameters, name) for name in (CHECKPOINT, TEXT_CONFIG)))
    return Scorer(model.eval().to(default_device()), tokenizer, default_device())


def build(checkpoint: Path, text_config: Path):
    """The network with the weights of a checkpoint; the sizes of the picture encoder are read off them."""
    from torch import nn
    from transformers.models.blip.configuration_blip import BlipTextConfig, BlipVisionConfig
    from transformers.models.blip.modeling_blip import BlipVisionModel
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    state = blip.renamed(blip.read_checkpoint(checkpoint), _PREFIXES)
    vision = BlipVisionConfig(**blip.vision_sizes(state, "vision."))
    told = json.loads(text_config.read_text(encoding="utf-8"))
    known = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    known += ("max_position_embeddings", "hidden_act", "layer_norm_eps", "pad_token_id")
    text = {name: told[name] for name in known} | {"bos_token_id": told["vocab_size"] - 2, "is_decoder": True}
    text = BlipTextConfig(**text, encoder_hidden_size=vision.hidden_size)
    widths = [text.hidden_size, 1024, 128, 64, 16, 1]
    linear = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
    dropped = [nn.Dropout(share) for share in (0.2, 0.2, 0.1)]  # they give the layers the authors' numbers
    mlp = nn.Sequential(linear[0], dropped[0], linear[1], dropped[1], linear[2], dropped[2], linear[3], linear[4])
    parts = {"vision": BlipVisionModel(vision), "text": BlipTextModel(text, add_pooling_layer=False), "mlp": mlp}
    model = nn.ModuleDict(parts)
    blip.load_whole(model, state, str(checkpoint))
    return model


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the word pieces of its prompt with start and end: (there, read)."""
    tokenizer = blip.word_pieces(parameters["vocabulary"])

    def count(record: dict) -> tuple[int, int]:
        there = len(tokenizer(record["prompt"]).input_ids)
        return there, min(there, TOKENS)

    return count


def weights(parameters: dict) -> list[dict]:
    """What `load` fetches from the hub: repository, revision, files."""
    wanted = [(parameters["model"], parameters["revision"], [CHECKPOINT, TEXT_CONFIG])]
    wanted.append((parameters["vocabulary"], "", ["vocab.txt"]))
    return blip.on_the_hub(wanted)


def _file(parameters: dict, name: str) -> Path:
    return blip.weight_file(parameters["model"], name, parameters["revision"])
