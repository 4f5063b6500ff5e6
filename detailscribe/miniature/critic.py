"""Critic of the scene world by rule: BLIP-VQA, asked about each fact of a prompt."""

from functools import lru_cache

from PIL import Image

from detailscribe.engines import torch_setup
from detailscribe.miniature.models.bert_tokens import bert_tokenizer
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.facts import phrases_to_ask
from detailscribe.scores import blip_vqa


def are_shown(prompt: str, parts: list[str], image: Image.Image) -> list[bool]:
    """Whether an image shows each part of a prompt; a relation, if what is visible is where it puts it."""
    asked = [phrases_to_ask(prompt, part) for part in parts]
    phrases = list(dict.fromkeys(phrase for each in asked for pair in each for phrase in pair))
    answers = _scorer().answers([f"{phrase}?" for phrase in phrases], image)
    true = {phrase for phrase, probability in zip(phrases, answers, strict=True) if probability > 0.5}
    return [all(phrase in true or thing not in {*true, phrase} for phrase, thing in each) for each in asked]


@lru_cache
def _scorer() -> blip_vqa.Scorer:
    return blip_vqa.Scorer(load_part("vqa").model, bert_tokenizer(), SIDE_PX, torch_setup.default_device())
