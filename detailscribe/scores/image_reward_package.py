"""ImageReward through its authors' package, in a separate environment (envs/image_reward.yaml).

A cross-check of `image_reward`, with the same formula, range and direction: run with `--software-deployment-method
conda`. The package, image-reward 1.5, cannot be imported with transformers 4.56 or newer.
"""

from __future__ import annotations

import sys
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

from detailscribe.scores import blip, image_reward
from detailscribe.scores.image_reward import reader, weights  # noqa: F401 - reads and fetches the same

if TYPE_CHECKING:
    from PIL import Image

ALGORITHM = 1
ENVIRONMENT = "image_reward"
LIBRARIES = ("image-reward", "torch", "torchvision", "transformers", "pillow")
RECIPE = {"tokens": image_reward.TOKENS, "picture": "the package's own"}


class Scorer:
    """The package's model."""

    def __init__(self, model):
        self._model = model

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """Reward of each pair; images of any mode and size. No pairs, no rewards."""
        import torch

        from detailscribe.images.image_reader import to_rgb

        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            pairs = zip(prompts, images, strict=True)
            return [float(self._model.score(prompt, to_rgb(image))) for prompt, image in pairs]

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._model.blip.tokenizer.get_vocab()])


def load(parameters: dict) -> Scorer:
    """Load ImageReward by the package's own loader.

    Args:
        parameters: As `image_reward.load`.

    Raises:
        SetupError: a file cannot be found or downloaded.
    """
    from detailscribe.engines.torch_setup import default_device  # before torchvision

    # Another metric of the package imports OpenAI's CLIP, which is not on PyPI; this one does not need it.
    sys.modules.setdefault("clip", ModuleType("clip"))
    import ImageReward
    from ImageReward.models.BLIP import blip_pretrain

    vocabulary = blip.fetch_weight_file(parameters["vocabulary"], "vocab.txt", "")
    blip_pretrain.init_tokenizer = lambda: _tokenizer(str(vocabulary))  # the package's own contacts the hub
    checkpoint, text_config = (
        str(blip.fetch_weight_file(parameters["model"], name, parameters["revision"]))
        for name in (image_reward.CHECKPOINT, image_reward.TEXT_CONFIG)
    )
    return Scorer(ImageReward.load(checkpoint, device=str(default_device()), med_config=text_config).eval())


def _tokenizer(vocabulary: str):
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(vocabulary)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokenizer
