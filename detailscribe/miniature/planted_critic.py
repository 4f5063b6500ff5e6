"""Critics of known skill (`planted-critic-80`: 80 % of its yes/no answers are right), to test whether tables rank them.

The truth is what the judge sees, so the critic of 100 % is perfect by that judge, and the one of 50 % is blind: a coin.
The coin of a question depends on the prompt, the part and the image alone: a more skilled critic is right wherever a
less skilled one is.
"""

import hashlib
import re
from pathlib import Path

from PIL import Image

from detailscribe.errors import InputError
from detailscribe.images.image_reader import read_image
from detailscribe.llm.request import Request
from detailscribe.miniature.stand_in import THRESHOLDS, answer_critique
from detailscribe.miniature.stand_in_questions import is_shown
from detailscribe.miniature.stand_in_seeing import look, relation_stands
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.facts import fact_phrases

NAME = re.compile(r"planted-critic-(?P<percent>\d{1,3})")


def is_planted(request: Request) -> bool:
    """Whether a request is for a critic of planted skill."""
    return request.role == "critique" and request.model.startswith("planted-critic")


def answer(request: Request) -> str:
    """A critique of the request's image.

    Raises:
        InputError: the model's name has no skill from 50 to 100.
    """
    match = NAME.fullmatch(request.model)
    percent = int(match["percent"]) if match else 0
    if not 50 <= percent <= 100:
        raise InputError(
            f"model {request.model!r}: write planted-critic- and the share of right answers in percent, from 50 "
            "(blind) to 100 (perfect), such as planted-critic-80"
        )
    fields = request.fields
    image = read_image(Path(request.images[0])).image
    return criticise(fields["prompt"], fields.get("components"), image, percent / 100)


def criticise(prompt: str, components: list[str] | None, image: Image.Image, skill: float) -> str:
    """A critique whose answers about parts are right with a probability.

    Args:
        skill: From 0.5 to 1.
    """

    def find_shown(prompt: str, parts: list[str], image: Image.Image) -> list[bool]:
        scene, seen = parse_prompt(prompt), look(image, THRESHOLDS[0])
        relation = fact_phrases(scene)[2] if scene else None
        pixels = hashlib.sha256(image.tobytes()).hexdigest()
        shown = []
        for part in parts:
            truth = relation_stands(scene, seen) if scene and part == relation else bool(is_shown(part, seen))
            shown.append(truth == (_coin(prompt, part, pixels) < skill))
        return shown

    return answer_critique(prompt, components, image, find_shown)


def _coin(*key: str) -> float:
    """A number in [0, 1), fixed by the key."""
    return int.from_bytes(hashlib.sha256("\0".join(key).encode()).digest()[:6]) / 2**48
