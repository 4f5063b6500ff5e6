"""CLIPScore: agreement of an image and a caption, without a reference caption.

Formula: 2.5 * max(cos(E_image, E_text), 0) with CLIP ViT-B/32 and the caption "A photo depicts " + prompt, cut at 77
tokens. Range [0, 2.5], real images mostly 0.6 to 1.0; higher is better. A table's value is the mean over images.

Source: Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", section 3.
Differs: always in fp32, while the authors' code and the released study use fp16 on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.engines.weight_records import read_weight_record
from detailscribe.engines.weights import fetch_model_file
from detailscribe.errors import SetupError

if TYPE_CHECKING:
    from PIL import Image

ALGORITHM = 1
LIBRARIES = ("torch", "open_clip_torch", "pillow")

WEIGHT_FILE = "open_clip_model.safetensors"
PREFIX = "A photo depicts "
WEIGHT = 2.5
TOKENS = 77  # start and end token included
RECIPE = {"prefix": PREFIX, "weight": WEIGHT, "tokens": TOKENS, "picture": "Pillow, bicubic, centre crop"}


class Scorer:
    """A loaded CLIP."""

    def __init__(self, model, tokenizer, device):
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._text_embedding = lru_cache(maxsize=4096)(self._encode)  # a prompt is scored once per image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """CLIPScore of each pair, in [0, 2.5]; images of any mode and size. No pairs, no scores.

        One pair at a time: in a batch the last digits would depend on the other pairs.
        """
        import torch

        from detailscribe.scores.preparation import resize_and_crop

        scores = []
        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(resize_and_crop(image, self._side))[None].to(self._device)
                embedding = self._model.encode_image(pixels, normalize=True)
                scores.append(WEIGHT * max((embedding @ self._text_embedding(prompt).T).item(), 0.0))
        return scores

    def _encode(self, prompt: str):
        """(1, width), the normalised embedding of a prompt with its prefix."""
        return self._model.encode_text(self._tokenizer([PREFIX + prompt]).to(self._device), normalize=True)

    @cached_property
    def weights(self) -> str:
        """Digest of the weights loaded."""
        from detailscribe.engines.metric_weights import state_digest

        return state_digest(self._model.state_dict())

    @property
    def _side(self) -> int:
        size = self._model.visual.image_size
        return size if isinstance(size, int) else size[0]


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip

    import open_clip  # isort: skip

    known = open_clip.get_pretrained_cfg(parameters["model"], parameters["pretrained"])
    if not known or "hf_hub" not in known:
        return []
    repository = known["hf_hub"].rstrip("/")
    return [{"repository": repository, "revision": parameters["revision"], "files": [WEIGHT_FILE]}]


def load(parameters: dict) -> Scorer:
    """Load a CLIP.

    Args:
        parameters: `model`, "ViT-B-32-quickgelu" (the activation that OpenAI's weights were trained with) or
            "local-dir:FOLDER" of open_clip; `pretrained`, "openai", a weight file, or "" with a folder; `revision` of
            the hub repository that a name in `pretrained` refers to, "" for the newest.

    Raises:
        SetupError: the model cannot be found, downloaded or loaded.
    """
    from detailscribe.engines.torch_setup import default_device  # before open_clip, which imports torchvision

    import open_clip  # isort: skip

    model, pretrained = parameters["model"], parameters["pretrained"]
    if not pretrained and not model.startswith("local-dir:"):
        raise SetupError(
            f"pretrained is empty for {model}, whose weights would be random: set it to openai or to a file"
        )
    for entry in weights(parameters):
        if entry["revision"] or read_weight_record(entry["repository"], entry["revision"]):
            pretrained = str(fetch_model_file(entry["repository"], WEIGHT_FILE, entry["revision"]))
    try:
        clip = open_clip.create_model(model, pretrained=pretrained or None, precision="fp32", require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(model)
    except Exception as error:
        if device_error(error):
            raise
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"CLIP {model} {pretrained} could not be loaded ({first_line}): connect to the network once, or set "
            "`pretrained` to a weight file, or `model` to local-dir:FOLDER"
        ) from error
    return Scorer(clip.eval().to(default_device()), tokenizer, default_device())


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of its prompt with prefix, start and end: (in the text, read)."""
    from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip, which imports torchvision

    import open_clip  # isort: skip

    tokenizer = open_clip.get_tokenizer(parameters["model"])

    def count(record: dict) -> tuple[int, int]:
        tokens = len(tokenizer.encode(PREFIX + record["prompt"])) + 2
        return tokens, min(tokens, TOKENS)

    return count
