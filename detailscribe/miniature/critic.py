"""Critic of the scene world: BLIP-VQA, asked about each entity in its position."""

from functools import lru_cache

from PIL import Image

from detailscribe.engines import torch_setup
from detailscribe.miniature.models.bert_tokens import bert_tokenizer
from detailscribe.miniature.shipped import load_part
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.scores import blip_vqa


def are_true(phrases: list[str], image: Image.Image) -> list[bool]:
    """Whether each phrase of `known_phrases` is true of an image."""
    return [probability > 0.5 for probability in _scorer().answers([f"{phrase}?" for phrase in phrases], image)]


@lru_cache
def _scorer() -> blip_vqa.Scorer:
    return blip_vqa.Scorer(load_part("vqa").model, bert_tokenizer(), SIDE_PX, torch_setup.default_device())
