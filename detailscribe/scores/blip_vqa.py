"""BLIP-VQA: whether the things that a prompt names can be seen, one question a noun phrase.

Formula: the product over at most eight noun phrases of p(yes) / (p(yes) + p(no)), each the probability of the first
word of the answer to "{phrase}?". Each factor and the product are rounded to four decimals. Range [0, 1]; higher is
better. A prompt without a noun phrase has no score. A table's value is the mean over images.

Source: Huang et al. 2023, "T2I-CompBench", section 4.1, and its code at commit 1b709499; DetailScribe runs that code.
Weights: BLIP's model_base_vqa_capfilt_large.pth (BSD 3-Clause) at 480 pixels. Its copy in transformers' form,
Salesforce/blip-vqa-capfilt-large, was reduced to 384 pixels; it can be named as well and is stretched back to 480.
Differs: T2I-CompBench gives a prompt without a noun phrase the score 1.
"""

import math
import re
from collections.abc import Callable
from functools import cached_property
from itertools import groupby
from pathlib import Path

from PIL import Image

from detailscribe.engines.metric_weights import LOCAL_DIR
from detailscribe.engines.weights import local_folder
from detailscribe.errors import SetupError
from detailscribe.scores import blip
from detailscribe.scores.preparation import squeezed

ALGORITHM = 1
LIBRARIES = ("torch", "transformers", "tokenizers", "pillow")
READS_PHRASES = True

PHRASES, WORDS, TOKENS = 8, 50, 35  # phrases asked of a prompt; words, then word pieces, read of a question
RECIPE = {"phrases": PHRASES, "words": WORDS, "tokens": TOKENS, "decimals": 4, "picture": "Pillow, bicubic, squeezed"}
_PREFIXES = {
    "visual_encoder.": "vision_model.",
    "text_encoder.": "text_encoder.",
    "text_decoder.": "text_decoder.",
}


class Scorer:
    """A loaded BLIP that answers questions about pictures of `side` pixels."""

    def __init__(self, model, tokenizer, side: int, where):
        self._model, self._tokenizer, self._side, self._where = model, tokenizer, side, where
        self._yes, self._no, self._enc = tokenizer.convert_tokens_to_ids(["yes", "no", "[ENC]"])

    def score(self, prompts: list[str], images: list[Image.Image], phrases: list[list[str]]) -> list[float]:
        """Product of each picture's answers, in [0, 1]; the phrases stand for the prompts. No pairs, no scores.

        Raises:
            ValueError: a prompt has no phrase.
        """
        scores = []
        for _, image, asked in zip(prompts, images, phrases, strict=True):
            if not asked:
                raise ValueError("there is no noun phrase to ask about")
            answers = self.answers([question(phrase) for phrase in asked[:PHRASES]], image)
            scores.append(round(math.prod(round(answer, 4) for answer in answers), 4))
        return scores

    def answers(self, questions: list[str], image: Image.Image) -> list[float]:
        """p(yes) / (p(yes) + p(no)) of each question about one picture, in [0, 1].

        The picture is encoded once. All questions are read in one pass as a single row whose pieces see only their
        own question, so that the picture's keys and values are computed once too, and nothing is padded: the decoder
        of transformers would look at padding.
        """
        import torch

        ids = [self._tokenizer(text, truncation=True, max_length=TOKENS).input_ids for text in questions]
        lengths = [len(each) for each in ids]
        row = torch.tensor([[token for each in ids for token in [self._enc, *each[1:]]]], device=self._where)
        place = torch.cat([torch.arange(length) for length in lengths])[None].to(self._where)
        apart = torch.full((1, 1, row.shape[1], row.shape[1]), torch.finfo(torch.float32).min, device=self._where)
        starts = [sum(lengths[:at]) for at in range(len(lengths))]
        for start, length in zip(starts, lengths, strict=True):
            apart[..., start : start + length, start : start + length] = 0
        pixels = torch.from_numpy(squeezed(image, self._side))[None].to(self._where)
        answers = {}
        # The patches go through a convolution, which a card would else compute in TF32.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            seen = self._model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
            read = self._model.text_encoder(
                input_ids=row, position_ids=place, attention_mask=apart, encoder_hidden_states=seen
            ).last_hidden_state[0]
            for length, group in groupby(sorted(range(len(ids)), key=lengths.__getitem__), key=lengths.__getitem__):
                group = list(group)
                states = torch.stack([read[starts[at] : starts[at] + length] for at in group])
                start = torch.full((len(group), 1), self._model.decoder_start_token_id, device=self._where)
                said = self._model.text_decoder(input_ids=start, encoder_hidden_states=states, use_cache=False)
                # Of a softmax over all words, these two alone decide the ratio.
                shares = said.logits[:, 0, [self._yes, self._no]].double().softmax(-1)[:, 0]
                answers |= dict(zip(group, shares.tolist(), strict=True))
        return [answers[at] for at in range(len(ids))]

    @cached_property
    def weights(self) -> str:
        """Digest of the weights and the vocabulary loaded."""
        from detailscribe.engines.metric_weights import state_digest
        from detailscribe.files.digests import digest

        return digest([state_digest(self._model.state_dict()), self._tokenizer.get_vocab(), self._side])


def question(phrase: str) -> str:
    """What is asked about a noun phrase: lower case, without most punctuation, at most 50 words.

    Source: BLIP, `pre_question`, applied to "{phrase}?".
    """
    asked = re.sub(r"[.!\"()*#:;~]", "", f"{phrase}?".lower()).rstrip(" ")
    return " ".join(asked.split(" ")[:WORDS])


def load(parameters: dict) -> Scorer:
    """Load BLIP for questions.

    Args:
        parameters: `model`, the address of the authors' `.pth` file (kept in torch's cache), "local-dir:FOLDER" with
            that file or with a model in transformers' form, or a hub repository of the latter; `revision` of the
            repository; `vocabulary`, a repository or "local-dir:FOLDER" with BERT's vocab.txt; `size_px`, the side
            that pictures are squeezed to.

    Raises:
        SetupError: a file cannot be found, fetched or read, or is not such a model.
    """
    from detailscribe.engines.torch_setup import default_device  # before transformers

    tokenizer = blip.word_pieces(parameters["vocabulary"])
    model, revision = parameters["model"], parameters["revision"]
    if is_address(model):
        network = from_authors(_downloaded(model), model)
    elif checkpoint := _checkpoint_in(model):
        network = from_authors(blip.read_checkpoint(checkpoint), str(checkpoint))
    else:
        network = _from_transformers(blip.weight_file(model, "config.json", revision), model, revision)
    return Scorer(network.eval().to(default_device()), tokenizer, parameters["size_px"], default_device())


def is_address(model: str) -> bool:
    """Whether a `model` is the address of a file."""
    return model.startswith(("https://", "http://", "file://"))


def from_authors(state: dict, name: str):
    """The network with the weights of an authors' checkpoint, whose sizes are read off them; `name` is for errors."""
    from transformers import BlipConfig, BlipForQuestionAnswering

    state = blip.renamed(state, _PREFIXES)
    words = state["text_encoder.embeddings.word_embeddings.weight"]
    text = {
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "encoder_hidden_size": state["vision_model.embeddings.class_embedding"].shape[-1],
        "intermediate_size": state["text_encoder.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "num_hidden_layers": blip.layers(state, "text_encoder.encoder.layer."),
        "num_attention_heads": words.shape[1] // blip.HEAD_WIDTH,
        "max_position_embeddings": state["text_encoder.embeddings.position_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "bos_token_id": words.shape[0] - 2,  # [DEC], which BLIP adds to BERT's words, and [ENC] after it
        "is_decoder": True,
    }
    vision = blip.vision_sizes(state, "vision_model.")
    network = BlipForQuestionAnswering(BlipConfig(text_config=text, vision_config=vision))
    blip.load_whole(network, state, name)
    return network


def reader(parameters: dict) -> Callable[[dict], tuple[int, int]]:
    """A function of a record with `phrases` that counts the word pieces of its questions: (of all, of those asked).

    [ENC] and [SEP] count, as in the model's limit of a question.
    """
    tokenizer = blip.word_pieces(parameters["vocabulary"])

    def count(record: dict) -> tuple[int, int]:
        there = [len(tokenizer(f"{phrase}?").input_ids) for phrase in record["phrases"]]
        asked = [len(tokenizer(question(phrase)).input_ids) for phrase in record["phrases"][:PHRASES]]
        return sum(there), sum(min(each, TOKENS) for each in asked)

    return count


def weights(parameters: dict) -> list[dict]:
    """What `load` fetches: repository, revision, files; or `address` of a file that goes into torch's cache."""
    model, files = parameters["model"], ["config.json", "model.safetensors"]
    vocabulary = blip.on_the_hub([(parameters["vocabulary"], "", ["vocab.txt"])])
    if is_address(model):
        return [{"address": model}, *vocabulary]
    return blip.on_the_hub([(model, parameters["revision"], files)]) + vocabulary


def _checkpoint_in(model: str) -> Path | None:
    """The authors' checkpoint in a folder, None where it holds another form or is none."""
    folder = local_folder(model.removeprefix(LOCAL_DIR))
    return next(iter(sorted(folder.glob("*.pth"))), None) if folder else None


def _downloaded(address: str) -> dict:
    import torch

    try:
        state = torch.hub.load_state_dict_from_url(address, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SetupError(
            f"{address} could not be fetched ({error}): connect to the network once, or put the file into a folder and "
            "set `model` to local-dir:FOLDER"
        ) from error
    return state.get("model", state)


def _from_transformers(config: Path, model: str, revision: str):
    from transformers import BlipConfig, BlipForQuestionAnswering

    sizes = BlipConfig.from_json_file(config)
    sizes.vision_config.layer_norm_eps, sizes.text_config.layer_norm_eps = 1e-6, 1e-12  # as trained
    place = str(config.parent) if model.startswith(LOCAL_DIR) else model
    try:
        return BlipForQuestionAnswering.from_pretrained(place, revision=revision or None, config=sizes)
    except (OSError, ValueError, RuntimeError) as error:
        raise SetupError(f"{model} is no BLIP for questions ({str(error).strip().splitlines()[0]})") from error
