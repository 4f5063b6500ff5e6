"""CLIPScore: how well a picture and a caption agree, without a reference caption.

Formula: 2.5 * max(cos(E_image, E_text), 0) with CLIP ViT-B/32 and the caption "A photo depicts " + prompt, cut at 77
tokens. Range [0, 2.5], real pictures mostly 0.6 to 1.0; higher is better. A table's value is the mean over images.

Source: Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", section 3.
Differs: always in fp32, where the authors' code and the released study use fp16 on a card.
"""

from functools import cached_property

import numpy as np
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.weights import fetch, record_of

ALGORITHM = 1
LIBRARIES = ("torch", "open_clip_torch", "pillow")

WEIGHT_FILE = "open_clip_model.safetensors"
PREFIX = "A photo depicts "
WEIGHT = 2.5
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Scorer:
    """A loaded CLIP."""

    def __init__(self, model, tokenizer, where):
        self._model, self._tokenizer, self._where = model, tokenizer, where

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """CLIPScore of each pair, in [0, 2.5]; images of any mode and size. No pairs, no scores.

        One pair at a time: in a batch the last digits would depend on the neighbours.
        """
        import torch

        scores = []
        # The patches go through a convolution, which a card would else compute in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = torch.from_numpy(preprocess(image, self._side))[None].to(self._where)
                tokens = self._tokenizer([PREFIX + prompt]).to(self._where)
                seen = self._model.encode_image(pixels, normalize=True)
                said = self._model.encode_text(tokens, normalize=True)
                scores.append(WEIGHT * max((seen @ said.T).item(), 0.0))
        return scores

    @cached_property
    def weights(self) -> str:
        """Digest of the weights loaded."""
        from detailscribe.weights import state_digest

        return state_digest(self._model.state_dict())

    @property
    def _side(self) -> int:
        size = self._model.visual.image_size
        return size if isinstance(size, int) else size[0]


def weights(parameters: dict) -> list[dict]:
    """What `load` fetches from the hub: repository, revision, files."""
    from detailscribe import torch_setup  # noqa: F401 - before open_clip

    import open_clip  # isort: skip

    known = open_clip.get_pretrained_cfg(parameters["model"], parameters["pretrained"])
    if not known or "hf_hub" not in known:
        return []
    where = {"repository": known["hf_hub"].rstrip("/"), "revision": parameters["revision"]}
    return [{**where, "files": [WEIGHT_FILE]}]


def load(parameters: dict) -> Scorer:
    """Load a CLIP.

    Args:
        parameters: `model`, "ViT-B-32-quickgelu" (the activation that OpenAI's weights were trained with) or
            "local-dir:FOLDER" of open_clip; `pretrained`, "openai", a weight file, or "" with a folder; `revision` of
            the hub repository behind a name in `pretrained`, "" for the newest.

    Raises:
        SetupError: the model cannot be found, fetched or loaded.
    """
    from detailscribe.torch_setup import device  # before open_clip, which imports torchvision

    import open_clip  # isort: skip

    model, pretrained = parameters["model"], parameters["pretrained"]
    if not pretrained and not model.startswith("local-dir:"):
        raise SetupError(
            f"pretrained is empty for {model}, whose weights would be random: set it to openai or to a file"
        )
    for place in weights(parameters):
        if place["revision"] or record_of(place["repository"], place["revision"]):
            pretrained = str(fetch(place["repository"], WEIGHT_FILE, place["revision"]))
    try:
        clip = open_clip.create_model(model, pretrained=pretrained or None, precision="fp32", require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(model)
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"CLIP {model} {pretrained} could not be loaded ({first_line}): connect to the network once, or set "
            "`pretrained` to a weight file, or `model` to local-dir:FOLDER"
        ) from error
    return Scorer(clip.eval().to(device()), tokenizer, device())


def preprocess(image: Image.Image, side: int) -> np.ndarray:
    """CLIP's own preparation by Pillow: shorter side to `side` (bicubic), centre crop, RGB, CLIP's mean and deviation.

    Written out because libraries' default ones change with what else is installed. Modes other than RGB are converted
    first, and transparency is dropped.

    Returns:
        (3, side, side), float32.
    """
    if image.mode.startswith("I;16"):  # turned into RGB, every grey above 255 would be white
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("RGB")
    short, long = min(image.size), max(image.size)
    scaled = int(side * long / short)
    image = image.resize((side, scaled) if image.width <= image.height else (scaled, side), Image.Resampling.BICUBIC)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / 255
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1))
