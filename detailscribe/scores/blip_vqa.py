"""BLIP-VQA: whether the objects that a prompt names are visible, one question per noun phrase.

Formula: the product over at most eight noun phrases of p(yes) / (p(yes) + p(no)), each the probability of the first
word of the answer to "{phrase}?". Each factor is rounded to four decimals, the product is not. Range [0, 1]; higher is
better. A prompt without a noun phrase has no score. A table's value is the mean over images.

Source: Huang et al. 2023, "T2I-CompBench", section 4.1, and its code at commit 1b709499; DetailScribe runs that code.
Weights: BLIP's model_base_vqa_capfilt_large.pth (BSD 3-Clause) at 480 pixels. Its copy in transformers' form,
Salesforce/blip-vqa-capfilt-large, was reduced to 384 pixels; it can be used too and is interpolated back to 480.
Differs: T2I-CompBench gives a prompt without a noun phrase the score 1, and its own script rounds the product as well;
DetailScribe's does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from detailscribe.scores import blip
from detailscribe.scores.blip_vqa_weights import is_url, load_network

if TYPE_CHECKING:
    import torch
    from PIL import Image

ALGORITHM = 2
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
READS_PHRASES = True

PHRASES, WORDS, TOKENS = 8, 50, 35  # phrases asked per prompt; words, then word pieces, read of a question
DECIMALS = 4  # of a factor, which T2I-CompBench passes on as text
RECIPE = {
    "phrases": PHRASES,
    "words": WORDS,
    "tokens": TOKENS,
    "decimals_of_factor": DECIMALS,
    "picture": "Pillow, bicubic, squeezed",
}


class Scorer:
    """A loaded BLIP that answers questions about images of `side` pixels."""

    def __init__(self, model, tokenizer, side: int, device):
        self._model, self._tokenizer, self._side, self._device = model, tokenizer, side, device
        self._yes, self._no, self._enc = tokenizer.convert_tokens_to_ids(["yes", "no", "[ENC]"])

    def score(self, prompts: list[str], images: list[Image.Image], phrases: list[list[str]]) -> list[float]:
        """Product of each image's answers, in [0, 1]; the phrases are read instead of the prompts. No pairs, no scores.

        Raises:
            ValueError: a prompt has no phrase.
        """
        scores = []
        for _, image, of_prompt in zip(prompts, images, phrases, strict=True):
            if not of_prompt:
                raise ValueError("there is no noun phrase to ask about")
            answers = self.answers([question_for(phrase) for phrase in of_prompt[:PHRASES]], image)
            scores.append(math.prod(round(answer, DECIMALS) for answer in answers))
        return scores

    def answers(self, questions: list[str], image: Image.Image) -> list[float]:
        """p(yes) / (p(yes) + p(no)) of each question about one image, in [0, 1].

        The image is encoded once. All questions are read in one pass as a single row in which each token attends to
        its own question only, so that the image's keys and values are also computed once. Nothing is padded, because
        the decoder of transformers would attend to padding.
        """
        import torch

        from detailscribe.scores.preparation import resize_to_square

        tokenized = [self._tokenizer(text, truncation=True, max_length=TOKENS).input_ids for text in questions]
        ids = [[self._enc, *each[1:]] for each in tokenized]
        lengths = [len(each) for each in ids]
        pixels = torch.from_numpy(resize_to_square(image, self._side))[None].to(self._device)
        answers: dict[int, float] = {}
        # The patches pass a convolution, which CUDA would otherwise run in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            image_states = self._model.vision_model(
                pixel_values=pixels, interpolate_pos_encoding=True
            ).last_hidden_state
            text_states = self._model.text_encoder(**self._packed(ids), encoder_hidden_states=image_states)
            of_question = text_states.last_hidden_state[0].split(lengths)
            by_length = sorted(range(len(ids)), key=lengths.__getitem__)
            for _, same_length in groupby(by_length, key=lengths.__getitem__):
                group = list(same_length)
                states = torch.stack([of_question[index] for index in group])
                start = torch.full((len(group), 1), self._model.decoder_start_token_id, device=self._device)
                decoded = self._model.text_decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
                # The ratio depends on these two logits only.
                shares = decoded.logits[:, 0, [self._yes, self._no]].double().softmax(-1)[:, 0]
                answers |= dict(zip(group, shares.tolist(), strict=True))
        return [answers[index] for index in range(len(ids))]

    def _packed(self, ids: list[list[int]]) -> dict[str, torch.Tensor]:
        """Inputs of the text encoder: all questions in one row, each with its own positions and attention block."""
        import torch

        row = torch.tensor([[token for each in ids for token in each]], device=self._device)
        positions = torch.cat([torch.arange(len(each)) for each in ids])[None].to(self._device)
        mask = torch.full((1, 1, row.shape[1], row.shape[1]), torch.finfo(torch.float32).min, device=self._device)
        start = 0
        for each in ids:
            end = start + len(each)
            mask[..., start:end, start:end] = 0
            start = end
        return {"input_ids": row, "position_ids": positions, "attention_mask": mask}

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._tokenizer.get_vocab(), self._side])


def question_for(phrase: str) -> str:
    """The question about a noun phrase: lower case, without most punctuation, at most 50 words.

    Source: BLIP, `pre_question`, applied to "{phrase}?".
    """
    text = re.sub(r"[.!\"()*#:;~]", "", f"{phrase}?".lower()).rstrip(" ")
    return " ".join(text.split(" ")[:WORDS])


def load(parameters: dict) -> Scorer:
    """Load BLIP for question answering.

    Args:
        parameters: `model` and `revision` as of `load_network`; `vocabulary`, a repository or "local-dir:FOLDER" with
            BERT's vocab.txt; `size_px`, the side that images are resized to.

    Raises:
        SetupError: a file cannot be found, downloaded or read, or is not such a model.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    tokenizer = blip.load_tokenizer(parameters["vocabulary"])
    network = load_network(parameters["model"], parameters["revision"])
    return Scorer(network.eval().to(default_device()), tokenizer, parameters["size_px"], default_device())


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record with `phrases` that counts the word pieces of its questions: (of all, of those asked).

    [ENC] and [SEP] count, as in the model's limit of a question.
    """
    tokenizer = blip.load_tokenizer(parameters["vocabulary"])

    def count(record: dict) -> tuple[int, int]:
        all_lengths = [len(tokenizer(f"{phrase}?").input_ids) for phrase in record["phrases"]]
        asked = [len(tokenizer(question_for(phrase)).input_ids) for phrase in record["phrases"][:PHRASES]]
        return sum(all_lengths), sum(min(length, TOKENS) for length in asked)

    return count


def weights(parameters: dict) -> list[dict]:
    """Files that `load` fetches: repository, revision, files; or `address` of a file that goes into torch's cache."""
    model, files = parameters["model"], ["config.json", "model.safetensors"]
    vocabulary = blip.hub_files([(parameters["vocabulary"], "", ["vocab.txt"])])
    if is_url(model):
        return [{"address": model}, *vocabulary]
    return blip.hub_files([(model, parameters["revision"], files)]) + vocabulary
