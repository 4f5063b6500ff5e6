"""Rule-based mock of the hosted models: answers every role offline, so that the whole study runs without a network.

It knows the scene world of the miniature. It decomposes prompts of that world into entities and positions and checks
their images: as critic with the miniature's BLIP-VQA, as judge with the detector. Other prompts get answers in the
right form, from their words alone. Failures and their fix are built into that world; no answer says anything about a
real model.
"""

import json
import re
from functools import lru_cache
from pathlib import Path

from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.images.image_reader import read_image
from detailscribe.llm.request import Request
from detailscribe.miniature.stand_in_content import append_sentences, invent_prompt, stable_choice
from detailscribe.miniature.stand_in_pairs import answer_pair
from detailscribe.miniature.stand_in_questions import NO_FAULT, answer_part, answer_remark
from detailscribe.miniature.world.captions import parse_prompt, scene_components
from detailscribe.miniature.world.phrases import known_phrases
from detailscribe.miniature.world.vocabulary import ENTITIES, MOODS, PLURALS, with_article

MODEL = "offline-stand-in"  # its name in recorded exchanges, so that no table can mistake it for a real model
THRESHOLDS = (0.0, -1.0, 1.0)  # logits above which the judge detects an entity, by draw
FILLER = """
a an and anime are as at be being by each every for from his her in into is it its of on one onto or over same some
that the their them they this through to toward towards two under up upon very while with
"""


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
        "judge_pair": lambda: answer_pair(
            [_grade_file(values["prompt"], path, path.stat().st_mtime_ns, request.draw) for path in request.images],
            values.get("structured", False),
        ),
        "judge_part": lambda: answer_part(values["part"], *_question_about(request)),
        "judge_remark": lambda: answer_remark(values["remark"], *_question_about(request)),
        "write_prompts": lambda: invent_prompt(values["topic"], values["kind"], request.draw),
    }
    if request.role not in rules:
        raise ValueError(f"the offline stand-in has no rule for the role {request.role!r}; it has {', '.join(rules)}")
    return rules[request.role]()


def answer_decompose(prompt: str, topic: str) -> str:
    """A scene's two entities with their positions; for other prompts, triples of neighbouring content words."""
    if scene := parse_prompt(prompt):
        parts = [f"({part})" for part in scene_components(scene)]
    else:
        filler = set(FILLER.split())
        words = [word for word in re.findall(r"[^\W\d_]+", prompt.lower()) if word not in filler] or ["subject"]
        triples = [words[start : start + 3] for start in range(0, max(1, len(words) - 2), 2)][:4]
        parts = [f"({' '.join(triple)})" for triple in triples]
        if len(parts) < 2:
            parts.append(f"({words[-1]} on ground)")
    concept = re.sub(r"\W+", "_", topic.strip()).strip("_") or "scene"
    return f"The scene needs {len(parts)} contacts.\n<(concept: {concept}) = {' + '.join(parts)}>"


def answer_critique(prompt: str, components: list[str] | None, image: Image.Image) -> str:
    """Numbered issues, then the refined prompt, whose first sentence is the prompt.

    With components, each is checked in its position; without, only entities are checked, in any position.
    """
    parts = components or _named_entities(prompt)
    visible = _are_visible(parts, image)
    missing = [part for part, is_visible in zip(parts, visible, strict=True) if is_visible is False]
    lines = [f"{n}. {part}: not in the image; to be shown clearly." for n, part in enumerate(missing, 1)]
    if all(is_visible is None for is_visible in visible):
        lines = [f"1. {NO_FAULT}; the prompt stays as it is."]
    lines = lines or ["1. Everything that the prompt names can be seen; keep it."]
    if components:
        lines.append("Completeness: every thing is looked for in its place. The first issue weighs most.")
    refined = append_sentences(prompt, [_presence_sentence(part) for part in missing])
    return "\n".join([*lines, f"<{refined}>"])


def answer_refine(prompt: str, image: Image.Image) -> str:
    """A refined prompt and nothing else: it names the entities that are not visible."""
    parts = _named_entities(prompt)
    missing = [part for part, visible in zip(parts, _are_visible(parts, image), strict=True) if visible is False]
    return append_sentences(prompt, [_presence_sentence(part) for part in missing] or [MOODS[0]])


def answer_rewrite(prompt: str) -> str:
    """A longer prompt with more mood, from the text alone; it names no further entity."""
    return f"<{append_sentences(prompt, [MOODS[0], stable_choice(MOODS[1:], prompt), MOODS[3]])}>"


def answer_judge(prompt: str, image: Image.Image, draw: int = 0, scale: str = "grade", structured: bool = False) -> str:
    """A grade from 1 to 5, or yes or no, from what the detector finds (`grade_image`)."""
    grade, visible = grade_image(prompt, image, draw)
    score = grade if scale == "grade" else ("yes" if grade == 5 else "no")
    reason = f"To be seen: {', '.join(visible) or 'nothing that is known here'}."
    return json.dumps({"reason": reason, "score": score}) if structured else f"{reason} <{score}>"


def grade_image(prompt: str, image: Image.Image, draw: int = 0) -> tuple[int, list[str]]:
    """A grade from 1 to 5 and the entities that the detector finds; its threshold depends on the draw.

    A prompt of the scene world: 5 if the scene is as meant, 4 if both entities are present in another arrangement, 2
    if one is, 1 otherwise. Another prompt: the share of the entities it names that are found, from 1 to 5.
    """
    from detailscribe.miniature.judge import check_scene
    from detailscribe.miniature.models.detection import detect

    detections = detect([image], THRESHOLDS[draw % len(THRESHOLDS)])[0]
    visible = sorted({entity for entity, _, _ in detections})
    if scene := parse_prompt(prompt):
        first, second, arranged = check_scene(scene, detections)
        grade = 5 if arranged else 4 if first and second else 2 if first or second else 1
    else:
        named = {phrase.split()[-1] for phrase in _named_entities(prompt)}
        grade = 1 + round(4 * len(named & set(visible)) / len(named)) if named else 1
    return grade, visible


@lru_cache(maxsize=4096)
def _grade_file(prompt: str, path: Path, modified_ns: int, draw: int) -> int:
    """The grade of an image file as it was written at this time; a judge of pairs sees each several times."""
    return grade_image(prompt, read_image(path).image, draw)[0]


def _question_about(request: Request) -> tuple[Path, float, bool]:
    """Image file of a yes/no question, the judge's threshold, and whether the answer is a JSON object."""
    threshold = THRESHOLDS[request.draw % len(THRESHOLDS)]
    return Path(request.images[0]), threshold, request.fields.get("structured", False)


def _request_image(request: Request) -> Image.Image:
    """A request's image, fully decoded as RGB."""
    return read_image(Path(request.images[0])).image


def _named_entities(prompt: str) -> list[str]:
    """Phrases of the entities that a prompt names, in its order and in its number (singular or plural)."""
    singulars = {many: one for one, many in PLURALS.items()}
    phrases: dict[str, str] = {}
    for word in re.findall(r"[a-z]+", prompt.lower()):
        if word in ENTITIES:
            phrases.setdefault(word, with_article(word))
        elif word in singulars:
            phrases.setdefault(singulars[word], word)
    return list(phrases.values())


def _are_visible(parts: list[str], image: Image.Image) -> list[bool | None]:
    """Whether BLIP-VQA finds each part in an image; None for phrases that it does not know.

    Raises:
        SetupError: torch or transformers is missing.
    """
    known = [part in known_phrases() for part in parts]
    if not any(known):
        return [None] * len(parts)
    try:
        from detailscribe.miniature.critic import are_true
    except ImportError as error:
        raise SetupError(
            f"the miniature's critic checks images with torch and transformers, which are missing ({error}); run the "
            "miniature in the main environment, without --software-deployment-method"
        ) from error
    answers = iter(are_true([part for part, is_known in zip(parts, known, strict=True) if is_known], image))
    return [next(answers) if is_known else None for is_known in known]


def _presence_sentence(part: str) -> str:
    """A sentence that says that a part is present."""
    return f"There {'is' if part.split()[0] in ('a', 'an') else 'are'} {part}."
