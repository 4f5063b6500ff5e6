"""VQAScore: the probability that a vision-language model says yes to a question whether an image shows its prompt.

Formula: P("Yes" | image, 'Does this figure show "PROMPT"? Please answer yes or no.'), of the first token of the answer,
summed over the spellings of Yes that are one token; with `normalised`, P(yes) / (P(yes) + P(no)). Range [0, 1], higher
is better. No prompt is cut. A table's value is the mean over images.

Source: Lin et al. 2024, "Evaluating Text-to-Visual Generation with Image-to-Text Generation", section 3,
arXiv:2404.01291.
Differs: any image-text-to-text model of transformers instead of the authors' CLIP-FlanT5, whose code needs an older
transformers; several spellings of the answer; the model's logits as they are, while the authors' code for such models
reads them after the generation settings' own changes (a repetition penalty, where the model has one).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detailscribe.errors import SetupError
from detailscribe.scores import vision_language
from detailscribe.scores.vision_language import LIBRARIES as LIBRARIES

if TYPE_CHECKING:
    from PIL import Image

ALGORITHM = 1
RANGE = [0, 1]
QUESTION = 'Does this figure show "{text}"? Please answer yes or no.'
PLACE = "{text}"  # where the prompt goes in a question
SPELLINGS = {"yes": ("Yes", "yes", "YES", " Yes", " yes", " YES"), "no": ("No", "no", "NO", " No", " no", " NO")}
LEAST_MASS = 0.01  # of yes and no together; below it, their quotient says nothing of the image
RECIPE = {
    "spellings": {answer: list(each) for answer, each in SPELLINGS.items()},
    "picture": "the model's processor",
    "reading": "first token of the answer, raw logits",
    "defaults": [QUESTION, "normalised: false", "precision: bf16"],
}


class Scorer:
    """A loaded vision-language model.

    Args:
        network, processor: Of transformers.
        question: With `{text}` for the prompt.
        normalised: Whether P(no) counts.
        options: Of the chat template.
    """

    def __init__(self, network: Any, processor: Any, question: str, normalised: bool, options: dict):
        self._network, self._processor = network, processor
        self._question, self._normalised, self._options = question, normalised, options
        self._answers = answer_tokens(processor.tokenizer)
        forward = inspect.signature(network.forward).parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in forward else {}
        self._limit = getattr(network.config.get_text_config(), "max_position_embeddings", None)

    def score(self, prompts: list[str], images: list[Image.Image]) -> list[float]:
        """VQAScore of each pair, in [0, 1]; images of any mode and size. No pairs, no scores.

        One pair at a time: in a batch the last digits would depend on the other pairs.

        Raises:
            ValueError: the question with its image is longer than the model reads; or, normalised, the model answers
                neither yes nor no.
        """
        import torch

        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return [self._probability(*pair) for pair in zip(prompts, images, strict=True)]

    def _probability(self, prompt: str, image: Image.Image) -> float:
        from detailscribe.images.image_reader import to_rgb

        text = self._question.replace(PLACE, prompt)
        inputs = vision_language.model_inputs(self._processor, to_rgb(image), text, **self._options)
        tokens = inputs["input_ids"].shape[1]
        if self._limit and tokens > self._limit:
            raise ValueError(f"the question and its image have {tokens} tokens, and the model reads {self._limit}")
        inputs = inputs.to(self._network.device, self._network.dtype)
        logits = self._network(**inputs, use_cache=False, **self._last_only).logits
        shares = logits[0, -1].double().softmax(-1)
        yes, no = (shares[ids].sum().item() for ids in (self._answers["yes"], self._answers["no"]))
        if not self._normalised:
            return yes
        if yes + no < LEAST_MASS:
            raise ValueError(f"yes and no together have the probability {yes + no:.2g}: the model answers otherwise")
        return yes / (yes + no)

    @cached_property
    def weights(self) -> str:
        """Digest of weights, vocabulary, chat template and preparation of images."""
        return vision_language.weights_digest(self._network.state_dict(), self._processor)


def answer_tokens(tokenizer: Any) -> dict[str, list[int]]:
    """Numbers of the tokens that are a spelling of yes, and of no.

    Raises:
        SetupError: "Yes" or "No" is more than one token.
    """
    found = {}
    for answer, spellings in SPELLINGS.items():
        tokens = [tokenizer.encode(spelling, add_special_tokens=False) for spelling in spellings]
        if len(tokens[0]) != 1:
            raise SetupError(
                f"the tokenizer of {tokenizer.name_or_path} writes {spellings[0]!r} as {len(tokens[0])} tokens, and "
                "vqa_score reads the probability of one: name another model"
            )
        found[answer] = sorted({ids[0] for ids in tokens if len(ids) == 1})
    return found


def load(parameters: dict) -> Scorer:
    """Load a vision-language model.

    Args:
        parameters: `model`, a hub repository or "local-dir:FOLDER", in transformers' form with a chat template;
            `revision` of the repository; and, if wanted, `normalised` (false), `precision` (bf16 or fp32), `question`
            with `{text}` in it, and `template_options` of the chat template.

    Raises:
        SetupError: the model cannot be found, downloaded or loaded, or cannot answer yes or no with its first token.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    question, options = _question(parameters), parameters.get("template_options", {})
    dtype, source = vision_language.torch_dtype(parameters), (parameters["model"], parameters.get("revision", ""))
    processor = vision_language.load_processor(*source)
    answer_tokens(processor.tokenizer)  # before the weights
    _check_template(parameters["model"], processor, options)
    network = vision_language.load_network(*source, dtype, default_device())
    return Scorer(network, processor, question, parameters.get("normalised", False), options)


def _question(parameters: dict) -> str:
    question = parameters.get("question", QUESTION)
    if PLACE not in question:
        raise SetupError(f"question: {question!r} of vqa_score has no {PLACE}, where the prompt goes: add it")
    return question


def _check_template(model: str, processor: Any, options: dict) -> None:
    """Refuse a chat template after which the first token is no answer, or that is another one tomorrow."""
    turn = [{"role": "user", "content": [{"type": "text", "text": "?"}]}]
    start = processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False, **options)
    if start.rstrip().endswith("<think>"):
        raise SetupError(
            f"{model} thinks before it answers, so that its first token is no answer: name its instruct model, or set "
            "template_options: {enable_thinking: false} if its chat template knows that"
        )
    if "strftime_now" in str(processor.chat_template) and "date_string" not in options:
        raise SetupError(
            f"the chat template of {model} writes today's date, and scores would depend on it: set template_options: "
            '{date_string: "26 Jul 2024"}'
        )


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record that counts the tokens of the question about its prompt: (in the text, read), all read."""
    question = _question(parameters)
    tokenizer = vision_language.load_tokenizer(parameters["model"], parameters.get("revision", ""))

    def count(record: dict) -> tuple[int, int]:
        text = question.replace(PLACE, record["prompt"])
        tokens = len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)
        return tokens, tokens

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches from the hub: repository, revision, files."""
    return vision_language.hub_entry(parameters["model"], parameters.get("revision", ""), vision_language.MODEL_FILES)
