"""Rule-based mock of the hosted models: answers every role offline, so that the whole study runs without a network.

It knows the scene world of the miniature. It decomposes prompts of that world into their facts and checks their images:
as critic with the miniature's BLIP-VQA, as judge with the detector. Of other prompts (`stand_in_words`)
the critic says what it did not check, the decomposition is marked as made from words alone, and the judge declines.
Failures and their fix are built into that world; no answer says anything about a real model.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from pathlib import Path

from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.files.packed import modified_ns
from detailscribe.images.image_reader import read_image
from detailscribe.llm.request import Request
from detailscribe.miniature.stand_in_content import append_sentences, invent_prompt, stable_choice
from detailscribe.miniature.stand_in_pairs import answer_pair
from detailscribe.miniature.stand_in_questions import answer_part, answer_remark, shown_parts
from detailscribe.miniature.stand_in_seeing import entities_of, facts_shown, look
from detailscribe.miniature.stand_in_words import (
    DOCUMENT,
    FILLER,
    can_check,
    listed,
    named_entities,
    refusal,
    unread_words,
)
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.facts import fact_phrases, is_known, sentence_of
from detailscribe.miniature.world.vocabulary import MOODS

# Its name in recorded answers, so that no table can mistake it for a real model. A change of its rules raises it: the
# name that a config asks for stays, so that finished studies keep their answers, but their fingerprints differ.
MODEL = "offline-stand-in-3"
THRESHOLDS = (0.0, -1.0, 1.0)  # logits above which the judge detects an entity, by draw
FindShown = Callable[[str, list[str], Image.Image], list[bool]]  # prompt, parts, image: whether each is visible
WORDS_ALONE, IN_PART = ", made from words alone", ", of a part of the prompt"  # of a concept


def answer_text(request: Request) -> str:
    """The answer to a request, from its role and fields.

    Raises:
        ValueError: there is no rule for the role, or the image cannot be read.
    """
    values = request.fields
    rules = {
        "decompose": lambda: answer_decompose(values["prompt"], values["topic"]),
        "critique": lambda: answer_critique(values["prompt"], values.get("components"), _request_image(request)),
        "refine": lambda: answer_refine(values["prompt"], _request_image(request)),
        "rewrite": lambda: answer_rewrite(values["prompt"]),
        "judge": lambda: answer_judge(
            values["prompt"],
            _request_image(request),
            request.draw,
            values.get("scale", "grade"),
            values.get("structured", False),
        ),
        "judge_pair": lambda: _answer_pair(request),
        "judge_part": lambda: answer_part(values["part"], *_question_about(request)),
        "judge_remark": lambda: answer_remark(values["remark"], *_question_about(request)),
        "write_prompts": lambda: invent_prompt(values["topic"], values["kind"], request.draw),
    }
    if request.role not in rules:
        raise ValueError(f"the offline stand-in has no rule for the role {request.role!r}; it has {', '.join(rules)}")
    return rules[request.role]()


def answer_decompose(prompt: str, topic: str) -> str:
    """Facts of a scene; for a prompt that says more, triples of neighbouring content words.

    The concept of the latter says that it is made from words alone, so that nobody takes it for the method's, and that
    of a scene to which more sentences add unknown words that it is a part.
    """
    concept = re.sub(r"\W+", "_", topic.strip()).strip("_") or "scene"
    if scene := parse_prompt(prompt):
        parts = list(fact_phrases(scene))
        concept += IN_PART if unread_words(prompt) else ""
    elif not unread_words(prompt) and (named := named_entities(prompt)):
        parts = named
    else:
        words = [word for word in re.findall(r"[^\W\d_]+", prompt.lower()) if word not in FILLER] or ["subject"]
        parts = [" ".join(words[start : start + 3]) for start in range(0, max(1, len(words) - 2), 2)][:4]
        if len(parts) < 2:
            parts.append(f"{words[-1]} on ground")
        concept += WORDS_ALONE
    return f"The scene needs {len(parts)} contacts.\n<(concept: {concept}) = ({') + ('.join(parts)})>"


def answer_critique(
    prompt: str, components: list[str] | None, image: Image.Image, find_shown: FindShown | None = None
) -> str:
    """Numbered issues and what was not checked, then the refined prompt, whose first sentence is the prompt.

    With components, each is checked, or the entities in it if it says more; without, only entities are checked.

    Args:
        find_shown: Whether each part is visible in the image; BLIP-VQA if None.
    """
    parts = named_entities(prompt)
    if components:
        of_each = [[part] if is_known(prompt, part) else named_entities(part) for part in components]
        parts = list(dict.fromkeys(chain.from_iterable(of_each)))
    visible = (find_shown or _are_visible)(prompt, parts, image)
    missing = [part for part, is_visible in zip(parts, visible, strict=True) if not is_visible]
    unread = unread_words(prompt)
    lines = [f"{n}. {part}: not in the image; to be shown clearly." for n, part in enumerate(missing, 1)]
    if not parts:
        lines = ["1. Nothing that the prompt names is known to this critic; the prompt stays as it is."]
    everything = f"this critic knows ({', '.join(parts)})" if unread else "the prompt names"
    lines = lines or [f"1. Everything that {everything} can be seen; keep it."]
    if components and parts:
        lines.append("Completeness: every thing is looked for in its place. The first issue weighs most.")
    if unread:
        lines.append(f"Not checked, because the demo's world does not have it ({DOCUMENT}): {listed(unread)}.")
    refined = append_sentences(prompt, [_sentence(prompt, part) for part in missing])
    return "\n".join([*lines, f"<{refined}>"])


def answer_refine(prompt: str, image: Image.Image) -> str:
    """A refined prompt and nothing else: it names the entities that are not visible."""
    parts = named_entities(prompt)
    visible = _are_visible(prompt, parts, image)
    missing = [part for part, is_visible in zip(parts, visible, strict=True) if not is_visible]
    return append_sentences(prompt, [_sentence(prompt, part) for part in missing] or [MOODS[0]])


def answer_rewrite(prompt: str) -> str:
    """A longer prompt with more mood, from the text alone; it names no further entity."""
    return f"<{append_sentences(prompt, [MOODS[0], stable_choice(MOODS[1:], prompt), MOODS[3]])}>"


def answer_judge(prompt: str, image: Image.Image, draw: int = 0, scale: str = "grade", structured: bool = False) -> str:
    """A grade from 1 to 5, or yes or no, from what the detector finds (`grade_image`).

    It declines if it cannot check all of the prompt: no mark rests on a part that was not looked at.
    """
    if not can_check(prompt):
        return refusal(prompt)
    grade, visible = grade_image(prompt, image, draw)
    score = grade if scale == "grade" else ("yes" if grade == 5 else "no")
    reason = f"To be seen: {', '.join(visible) or 'nothing that is known here'}."
    return json.dumps({"reason": reason, "score": score}) if structured else f"{reason} <{score}>"


def grade_image(prompt: str, image: Image.Image, draw: int = 0) -> tuple[int, list[str]]:
    """A grade from 1 to 5 and the entities that the detector finds; its threshold depends on the draw.

    A prompt of the scene world: 5, less one for each of its four facts that the image does not show; with further
    sentences at most 4 unless all that they name is there. Another prompt: the share of what it names that is found in
    its number and position, from 1 to 5.
    """
    seen = look(image, THRESHOLDS[draw % len(THRESHOLDS)])
    shown = shown_parts(prompt, seen)
    if scene := parse_prompt(prompt):
        right = facts_shown(scene, seen)
        grade = max(1, 5 - sum(not each for each in right))
        grade = grade if all(shown) else min(grade, 4)
    else:
        grade = 1 + round(4 * sum(shown) / max(1, len(shown)))
    return grade, entities_of(seen)


@lru_cache(maxsize=4096)
def _grade_file(prompt: str, path: Path, modified_ns: int, draw: int) -> int:
    """The grade of an image file as it was written at this time; a judge of pairs sees each several times."""
    return grade_image(prompt, read_image(path).image, draw)[0]


def _answer_pair(request: Request) -> str:
    """The better of a request's two images, if all of the prompt can be checked."""
    prompt = request.fields["prompt"]
    if not can_check(prompt):
        return refusal(prompt)
    grades = [_grade_file(prompt, path, modified_ns(path), request.draw) for path in request.images]
    return answer_pair(grades, request.fields.get("structured", False))


def refusal_of(request: Request) -> str:
    """Why a judge declines what it cannot check: a part, a remark or a prompt."""
    fields = request.fields
    return refusal(next((fields[name] for name in ("part", "remark", "prompt") if fields.get(name)), ""))


def _question_about(request: Request) -> tuple[Path, float, bool]:
    """Image file of a yes/no question, the judge's threshold, and whether the answer is a JSON object."""
    threshold = THRESHOLDS[request.draw % len(THRESHOLDS)]
    return Path(request.images[0]), threshold, request.fields.get("structured", False)


def _request_image(request: Request) -> Image.Image:
    """A request's image, fully decoded as RGB."""
    return read_image(Path(request.images[0])).image


def _are_visible(prompt: str, parts: list[str], image: Image.Image) -> list[bool]:
    """Whether BLIP-VQA finds each part in an image.

    Raises:
        SetupError: torch or transformers is missing.
    """
    if not parts:
        return []
    try:
        from detailscribe.miniature.critic import are_shown
    except ImportError as error:
        raise SetupError(
            f"the miniature's critic checks images with torch and transformers, which are missing ({error}); run the "
            "miniature in the main environment, without --software-deployment-method"
        ) from error
    return are_shown(prompt, parts, image)


def _sentence(prompt: str, part: str) -> str:
    """A sentence that asks for a part: the world's own, or one that says that it is present."""
    return sentence_of(prompt, part) or f"There {'is' if part.split()[0] in ('a', 'an') else 'are'} {part}."
