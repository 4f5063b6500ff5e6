"""The critic of the scene world: BLIP-VQA, asked for each thing in its place."""

from functools import lru_cache

from detailscribe.engines import torch_setup
from detailscribe.miniature import assembly, vqa, world
from detailscribe.scores import blip_vqa


def answers(phrases: list[str], image) -> list[bool]:
    """Whether each phrase of `world.phrases` is true of a picture."""
    return [share > 0.5 for share in _scorer().answers([f"{phrase}?" for phrase in phrases], image)]


@lru_cache
def _scorer() -> blip_vqa.Scorer:
    return blip_vqa.Scorer(assembly.trained("vqa").model, vqa.tokenizer(), world.SIDE_PX, torch_setup.default_device())
