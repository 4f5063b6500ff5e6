"""HPSv2.1: human preference between images of one prompt, learnt by a CLIP from 798 000 choices and better data.

Formula: 100 * cos(E_image, E_text), with a CLIP ViT-H/14 trained on those choices, as in the authors' tables. Images of
current models mostly score 25 to 33; higher is better. A prompt is cut at 77 tokens. A table's value is the mean over
images.

Source: Wu et al. 2023, "Human Preference Score v2: A Solid Benchmark for Evaluating Human Preferences of Text-to-Image
Synthesis", section 4, arXiv:2306.09341; the weights of version 2.1 are of the authors' package hpsv2 1.2.0.
Differs: always in fp32, while the authors' code uses mixed precision on a GPU; images are reduced with antialiasing, as
their code does with torchvision 0.17 and newer, and older versions did not; transparent images are put on white.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.errors import SetupError
from detailscribe.scores import blip, vision_language

if TYPE_CHECKING:
    import torch
    from PIL import Image

ALGORITHM = 1
LIBRARIES = ("torch", "open_clip_torch", "pillow")
TOKENS = 77  # start and end token included
FILE = "HPS_v2.1_compressed.pt"
ARCHITECTURE = "ViT-H-14"
SIZES = "open_clip_config.json"  # of another architecture, in a folder with the weights
RECIPE = {"tokens": TOKENS, "picture": "torch, bicubic with antialiasing, centre crop", "scale": 100}


class Scorer:
    """A loaded HPSv2.1."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device):
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._text_embedding = lru_cache(maxsize=4096)(self._encode)  # a prompt is scored once per image set

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """HPSv2.1 of each pair, one at a time; images of any mode and size. No pairs, no scores."""
        import torch

        scores = []
        size = self._model.visual.image_size
        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for prompt, image in zip(prompts, images, strict=True):
                pixels = prepared(image, size if isinstance(size, int) else size[0])[None].to(self._device)
                embedding = self._model.encode_image(pixels, normalize=True)
                scores.append(100 * (embedding @ self._text_embedding(prompt).T).item())
        return scores

    def _encode(self, prompt: str) -> torch.Tensor:
        """(1, width), the normalised embedding of a prompt."""
        return self._model.encode_text(self._tokenizer([prompt]).to(self._device), normalize=True)

    @cached_property
    def weights(self) -> str:
        """Digest of the weights loaded."""
        from detailscribe.engines.metric_weights import state_digest

        return state_digest(self._model.state_dict())


def prepared(image: Image.Image, side: int) -> torch.Tensor:
    """(3, side, side): the shorter side scaled to `side` in floating-point numbers, the centre, normalised."""
    import numpy as np
    import torch

    from detailscribe.images.image_reader import to_rgb
    from detailscribe.scores.preparation import MEAN, STD

    pixels = torch.from_numpy(np.array(to_rgb(image))).permute(2, 0, 1)[None].float() / 255
    height, width = pixels.shape[2:]
    size = [side if each == min(height, width) else int(side * each / min(height, width)) for each in (height, width)]
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bicubic", antialias=True)[0]
    top, left = (round((each - side) / 2) for each in size)
    mean, std = (torch.from_numpy(each)[:, None, None] for each in (MEAN, STD))
    return (pixels[:, top : top + side, left : left + side] - mean) / std


def load(parameters: dict) -> Scorer:
    """Load HPSv2.1.

    Args:
        parameters: `model`, "xswu/HPSv2" or "local-dir:FOLDER" with the weights and, for another CLIP than ViT-H/14,
            open_clip's configuration; `revision` of the repository; and, if wanted, `file` of the weights, as
            HPS_v2_compressed.pt for version 2.0.

    Raises:
        SetupError: a file cannot be found, downloaded or read, or is not such a CLIP.
    """
    from detailscribe.engines.torch_setup import default_device  # before open_clip, which imports torchvision

    import open_clip  # isort: skip

    file = blip.fetch_weight_file(parameters["model"], parameters.get("file", FILE), parameters.get("revision", ""))
    state = blip.read_checkpoint(file)
    sizes = _sizes(parameters)
    with vision_language.loading_errors(parameters["model"], "a CLIP of open_clip"):
        model = open_clip.CLIP(**sizes)
    blip.load_strictly(model, state.get("state_dict", state), str(file))
    return Scorer(model.float().eval().to(default_device()), _tokenizer(parameters), default_device())


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of its prompt with start and end: (in the text, read)."""
    tokenizer = _tokenizer(parameters)

    def count(record: dict) -> tuple[int, int]:
        tokens = len(tokenizer.encode(record["prompt"])) + 2
        return tokens, min(tokens, TOKENS)

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    files = [parameters.get("file", FILE)]
    return vision_language.hub_entry(parameters["model"], parameters.get("revision", ""), files)


def _sizes(parameters: dict) -> dict:
    """Sizes of the CLIP: the folder's own, or ViT-H/14's."""
    import open_clip

    file = Path(parameters["model"].removeprefix(LOCAL_DIR)).expanduser() / SIZES
    if not (parameters["model"].startswith(LOCAL_DIR) and file.is_file()):
        return open_clip.get_model_config(ARCHITECTURE)
    try:
        return json.loads(file.read_text(encoding="utf-8"))["model_cfg"]
    except (ValueError, KeyError) as error:
        raise SetupError(f"{file} is no configuration of open_clip ({type(error).__name__}): correct it") from error


def _tokenizer(parameters: dict) -> Any:
    """CLIP's own vocabulary, which comes with open_clip."""
    from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip, which imports torchvision

    import open_clip  # isort: skip

    return open_clip.get_tokenizer(ARCHITECTURE)
