"""ImageReward through its authors' package, in an environment of its own (envs/image_reward.yaml).

A second opinion on `image_reward`, with the same formula, range and direction: run with
`--software-deployment-method conda`. The package, image-reward 1.5, does not import beside transformers 4.56 or newer.
"""

import sys
from functools import cached_property
from types import ModuleType

from PIL import Image

from detailscribe.scores import blip, image_reward
from detailscribe.scores.image_reward import reader, weights  # noqa: F401 - the same texts and the same files
from detailscribe.scores.preparation import rgb

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

        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            pairs = zip(prompts, images, strict=True)
            return [float(self._model.score(prompt, rgb(image))) for prompt, image in pairs]

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
        SetupError: a file cannot be found or fetched.
    """
    from detailscribe.engines.torch_setup import default_device  # before torchvision

    # A second metric of the package wants OpenAI's CLIP, which is not on PyPI; this one does without.
    sys.modules.setdefault("clip", ModuleType("clip"))
    import ImageReward
    from ImageReward.models.BLIP import blip_pretrain

    vocabulary = blip.weight_file(parameters["vocabulary"], "vocab.txt", "")
    blip_pretrain.init_tokenizer = lambda: _tokenizer(str(vocabulary))  # the package's asks the hub
    checkpoint, text_config = (
        str(blip.weight_file(parameters["model"], name, parameters["revision"]))
        for name in (image_reward.CHECKPOINT, image_reward.TEXT_CONFIG)
    )
    return Scorer(ImageReward.load(checkpoint, device=str(default_device()), med_config=text_config).eval())


def _tokenizer(vocabulary: str):
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(vocabulary)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokenizer
