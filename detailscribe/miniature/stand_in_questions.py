"""Answers of the offline stand-in to yes/no questions about an image: whether a part is shown, and a fault is there.

They come from what the detector finds in the image, never from the critic's model or the prompt. About a part or a
fault in words outside the scene world the judge declines: that is neither yes nor no.
"""

import json
import re
from pathlib import Path

from detailscribe.miniature.models.detection import Detections
from detailscribe.miniature.stand_in_seeing import Seen, entities_of, facts_shown, look_at_file, pattern_is_there
from detailscribe.miniature.stand_in_words import (
    SINGULARS,
    can_check,
    named_backgrounds,
    named_parts,
    named_pattern,
    refusal,
)
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.vocabulary import singular

SEVERAL, MANY = 3, 6  # pieces of a row, and of a ring, that must be found: three quarters
MIDDLE_PX = 16  # from the centre of the image, at most, of what stands in the middle
ABSENT = re.compile(r"(?P<part>[^:]+): not in the image\b")  # what the stand-in's critic remarks
NO_FAULT = "This critic knows nothing of what the prompt names"  # in answers that were recorded earlier
CENTRE = SIDE_PX / 2


def answer_part(part: str, image: Path, threshold: float, structured: bool = False) -> str:
    """Whether an image shows a part: an entity, an entity in a place, or a scene in words.

    Args:
        part: As `facts.fact_phrases` names it, with or without its place.
        image: Image file.
        threshold: Logit above which the detector finds an entity.
        structured: Whether the answer is a JSON object with `reason` and `score`.
    """
    shown = is_shown(part, look_at_file(image, threshold))
    if shown is None:
        return refusal(part)
    return _as_reply(_seen(image, threshold), "yes" if shown else "no", structured)


def answer_remark(remark: str, image: Path, threshold: float, structured: bool = False) -> str:
    """Whether the fault that a remark names is in an image; arguments as of `answer_part`."""
    if remark.startswith(NO_FAULT):
        return _as_reply("This names no fault.", "no", structured)
    absent = ABSENT.match(remark)
    shown = is_shown(absent["part"], look_at_file(image, threshold)) if absent else None
    if shown is None:
        return refusal(absent["part"] if absent else remark)
    return _as_reply(_seen(image, threshold), "no" if shown else "yes", structured)


def is_shown(part: str, seen: Seen) -> bool | None:
    """Whether an image shows all that a text names; None if it cannot be checked (`stand_in_words.can_check`)."""
    if not can_check(part):
        return None
    scene = parse_prompt(part)
    return (not scene or facts_shown(scene, seen)[2]) and all(shown_parts(part, seen))


def shown_parts(text: str, seen: Seen) -> list[bool]:
    """Whether an image shows each of a text's `named_parts` and backgrounds, or the pattern that it names."""
    if pattern := named_pattern(text):
        return [pattern_is_there(pattern, seen)]
    found = [_is_found(part, seen.detections) for part in named_parts(text)]
    return found + [background == seen.background for background in named_backgrounds(text)]


def _is_found(part: str, detections: Detections) -> bool:
    thing, _, place = part.partition(" ")
    placed = [(x, y) for name, x, y in detections if name == singular(thing) and _is_in(place, x, y)]
    needed = MANY if place == "all around" else SEVERAL if thing in SINGULARS else 1
    return len(placed) >= needed


def _is_in(place: str, x: float, y: float) -> bool:
    """Whether a centre in pixels lies in a place; everywhere does in an empty one and "all around"."""
    near = max(abs(x - CENTRE), abs(y - CENTRE)) <= MIDDLE_PX
    inside = {
        "on the left": x < CENTRE,
        "on the right": x > CENTRE,
        "at the top": y < CENTRE,
        "at the bottom": y > CENTRE,
        "in the middle": near,
    }
    return inside.get(place, True)


def _seen(image: Path, threshold: float) -> str:
    visible = entities_of(look_at_file(image, threshold))
    return f"To be seen: {', '.join(visible) or 'nothing that is known here'}."


def _as_reply(reason: str, score: str, structured: bool) -> str:
    """The reply in the form that the templates ask for."""
    return json.dumps({"reason": reason, "score": score}) if structured else f"{reason} <{score}>"
