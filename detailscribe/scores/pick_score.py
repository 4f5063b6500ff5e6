"""PickScore: human preference between images, learnt from choices between two.

Formula: s * cos(E_image, E_text), with a CLIP ViT-H/14 trained on those choices and its own scale s, about 100. Real
images mostly score 17 to 24; higher is better. A prompt is cut at 77 tokens. A table's value is the mean over images.

Source: Kirstain et al. 2023, "Pick-a-Pic: An Open Dataset of User Preferences for Text-to-Image Generation".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weight_records import resolve_model_path
from detailscribe.engines.weights import local_folder
from detailscribe.errors import SetupError

if TYPE_CHECKING:
    from PIL import Image

ALGORITHM = 1
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
TOKENS = 77
RECIPE = {"tokens": TOKENS, "picture": "Pillow, bicubic, centre crop"}


class Scorer:
    """A loaded PickScore."""

    def __init__(self, model, tokenizer, device):
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._text_embedding = lru_cache(maxsize=4096)(self._encode)  # a prompt is scored once per image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """PickScore of each pair, one at a time; images of any mode and size. No pairs, no scores."""
        import torch

        from detailscribe.scores.preparation import resize_and_crop

        scores = []
        side = self._model.config.vision_config.image_size
        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(resize_and_crop(image, side))[None].to(self._device)
                embedding = self._model.visual_projection(self._model.vision_model(pixel_values=pixels).pooler_output)
                similarity = torch.nn.functional.cosine_similarity(embedding, self._text_embedding(prompt))
                scores.append((self._model.logit_scale.exp() * similarity).item())
        return scores

    def _encode(self, prompt: str):
        ids = self._tokenizer(prompt, truncation=True, max_length=TOKENS, return_tensors="pt").input_ids
        return self._model.text_projection(self._model.text_model(input_ids=ids.to(self._device)).pooler_output)

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._tokenizer.get_vocab()])


def load(parameters: dict) -> Scorer:
    """Load PickScore.

    Args:
        parameters: `model`, "yuvalkirstain/PickScore_v1" or "local-dir:FOLDER" with a CLIP in transformers' form and
            its tokenizer; `revision` of the repository.

    Raises:
        SetupError: the model cannot be found, downloaded or loaded.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    from transformers import CLIPModel  # isort: skip

    try:
        model = CLIPModel.from_pretrained(_path(parameters), revision=parameters["revision"] or "main")
    except (OSError, ValueError, RuntimeError) as error:
        if device_error(error):
            raise
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"{parameters['model']} could not be loaded ({first_line}): connect to the network once, or set `model` to "
            "local-dir:FOLDER"
        ) from error
    return Scorer(model.float().eval().to(default_device()), _tokenizer(parameters), default_device())


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of its prompt with start and end: (in the text, read)."""
    tokenizer = _tokenizer(parameters)

    def count(record: dict) -> tuple[int, int]:
        tokens = len(tokenizer(record["prompt"], verbose=False).input_ids)
        return tokens, min(tokens, TOKENS)

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    if parameters["model"].startswith(LOCAL_DIR):
        return []
    files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"]
    return [{"repository": parameters["model"], "revision": parameters["revision"], "files": files}]


def _path(parameters: dict) -> str:
    """Folder or hub repository of the model."""
    path = resolve_model_path(parameters["model"].removeprefix(LOCAL_DIR), parameters["revision"])
    return str(local_folder(path) or path)


def _tokenizer(parameters: dict):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(_path(parameters), revision=parameters["revision"] or "main")
