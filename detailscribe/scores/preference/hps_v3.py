"""HPSv3: human preference between images of one prompt, learnt by a vision-language model from 1.17 million pairs.

Formula: the mean of the preference that a Qwen2-VL-7B with a regression head gives to an image and its prompt inside
the authors' instruction. Unbounded; current models average 9 to 11 in the authors' tables; higher is better. No prompt
is cut. A table's value is the mean over images.

Source: Ma et al. 2025, "HPSv3: Towards Wide-Spectrum Human Preference Score", section 4, arXiv:2508.03789, and its
package hpsv3 1.0.0 (MIT License, Copyright (c) 2024 HPSv3 Team), whose instruction is hps_v3_question.txt, word for
word: the weights are trained with it.
Differs: one pair at a time; transparent images are put on white; the rotary angles of image patches are not rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest
from detailscribe.scores import blip, vision_language
from detailscribe.scores.vision_language import LIBRARIES as LIBRARIES

if TYPE_CHECKING:
    from PIL import Image

    from detailscribe.scores.preference.hps_v3_model import RewardModel

ALGORITHM = 1
FILE = "HPSv3.safetensors"
VOCABULARY = "Qwen/Qwen2-VL-7B-Instruct"
MARK = "<|Reward|>"  # the token whose state is read
PLACE = "{text_prompt}"  # where the prompt goes in the question
QUESTION = (Path(__file__).parent / "hps_v3_question.txt").read_text(encoding="utf-8")
UNIT, PIXELS = 28, 256 * 28 * 28  # side of a square that becomes one token, and area to which images are scaled
RECIPE = {
    "question": digest(QUESTION),
    "picture": f"Pillow, bicubic, {PIXELS} pixels in multiples of {UNIT}; the model's processor",
    "positions": "tokens are counted, rotary frequencies in bf16",
    "defaults": ["precision: bf16"],
}


class Scorer:
    """A loaded HPSv3."""

    def __init__(self, model: RewardModel, processor: Any):
        self._model, self._processor = model, processor
        self._mark = processor.tokenizer.convert_tokens_to_ids(MARK)

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """HPSv3 of each pair, one at a time; images of any mode. No pairs, no scores.

        Raises:
            ValueError: one side is more than 200 times the other, or a prompt has the token of the reward in it.
        """
        import torch

        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return [self._preference(*pair) for pair in zip(prompts, images, strict=True)]

    def _preference(self, prompt: str, image: Image.Image) -> float:
        from detailscribe.images.image_reader import to_rgb

        rgb = to_rgb(image)
        scaled = rgb.resize(resized_size(*rgb.size))  # Pillow's default for RGB: bicubic
        inputs = vision_language.model_inputs(
            self._processor, scaled, QUESTION.replace(PLACE, prompt), processor_kwargs={"do_resize": False}
        )
        network = self._model.network
        return self._model.reward(inputs.to(network.device, network.dtype), self._mark)[0]

    @cached_property
    def weights(self) -> str:
        """Digest of weights, vocabulary, chat template and preparation of images."""
        return vision_language.weights_digest(self._model.state(), self._processor)


def resized_size(width: int, height: int) -> tuple[int, int]:
    """Width and height in multiples of UNIT, of nearly the same shape, and of PIXELS or the next area.

    Raises:
        ValueError: one side is more than 200 times the other.
    """
    if max(width, height) > 200 * min(width, height):
        raise ValueError(f"the image of {width} x {height} pixels is too narrow: one side is over 200 times the other")
    sides = [max(UNIT, round(side / UNIT) * UNIT) for side in (width, height)]
    area = math.prod(sides)
    if area == PIXELS:
        return sides[0], sides[1]
    scale = math.sqrt(width * height / PIXELS)
    towards = math.floor if area > PIXELS else math.ceil
    sides = [max(UNIT, towards(side / scale / UNIT) * UNIT) for side in (width, height)]
    return sides[0], sides[1]


def load(parameters: dict) -> Scorer:
    """Load HPSv3.

    Args:
        parameters: `model`, "MizzenAI/HPSv3" or "local-dir:FOLDER" with HPSv3.safetensors; `revision` of the
            repository; and, if wanted, `vocabulary`, the Qwen2-VL whose sizes, processor and chat template are used
            (Qwen/Qwen2-VL-7B-Instruct, or "local-dir:FOLDER"; its weights are not), `vocabulary_revision`, and
            `precision` (bf16 or fp32).

    Raises:
        SetupError: a file cannot be found, downloaded or read, or is not such a model.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    from transformers import Qwen2VLConfig  # isort: skip

    from detailscribe.scores.preference.hps_v3_model import load_reward_model

    dtype, (vocabulary, revision) = vision_language.torch_dtype(parameters), _vocabulary(parameters)
    processor = vision_language.load_processor(vocabulary, revision)
    processor.tokenizer.add_tokens([MARK], special_tokens=True)
    with vision_language.loading_errors(vocabulary, "a Qwen2-VL"):
        sizes = Qwen2VLConfig.from_pretrained(vision_language.model_path(vocabulary, revision))
    file = blip.fetch_weight_file(parameters["model"], FILE, parameters.get("revision", ""))
    model = load_reward_model(file, sizes, dtype, default_device())
    rows = model.network.get_input_embeddings().num_embeddings
    if processor.tokenizer.convert_tokens_to_ids(MARK) >= rows:
        raise SetupError(f"{vocabulary} has more words than the {rows} of {file}: correct `vocabulary`")
    return Scorer(model, processor)


def _vocabulary(parameters: dict) -> tuple[str, str]:
    """Repository or folder, and revision, of the Qwen2-VL that brings sizes, processor and chat template."""
    return parameters.get("vocabulary", VOCABULARY), parameters.get("vocabulary_revision", "")


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of its prompt in the question: (in the text, read), all read."""
    tokenizer = vision_language.load_tokenizer(*_vocabulary(parameters))

    def count(record: dict) -> tuple[int, int]:
        tokens = len(tokenizer(record["prompt"], add_special_tokens=False, verbose=False).input_ids)
        return tokens, tokens

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    own = vision_language.hub_entry(parameters["model"], parameters.get("revision", ""), [FILE])
    return own + vision_language.hub_entry(*_vocabulary(parameters), vision_language.TOKENIZER_FILES)
