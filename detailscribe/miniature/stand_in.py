"""The stand-in for hosted models: answers each role by rule, so that the whole study runs without a network.

It knows the scene world of the miniature. A prompt of that world is taken apart into things and places, and its image
is looked at: the critic asks the miniature's BLIP-VQA for each part, the judge uses eyes of its own. Other prompts are
answered in the right form, from their words alone. Failures and their remedies are built into that world; no answer
says anything about a real model.
"""

import hashlib
import io
import json
import re
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.llm.request import Request
from detailscribe.miniature import world

MODEL = "offline-stand-in"  # its name in every exchange, so that no table can take it for a model
THRESHOLDS = (0.0, -1.0, 1.0)  # logits above which the judge sees an entity, by draw
WORD_LIMIT = 70  # words of a refined prompt, the paper's limit
SIZE_PX = 256
FILLER = """
a an and anime are as at be being by each every for from his her in into is it its of on one onto or over same some
that the their them they this through to toward towards two under up upon very while with
"""
MOODS = world.MOODS
ANIMALS = ("badger", "pelican", "tortoise", "otter", "lynx", "heron", "walrus", "gecko", "alpaca", "magpie")
MATERIALS = ("walnut shells", "copper wire", "dried kelp", "glass marbles", "folded maps", "red lentils", "slate chips")
PLACES = ("on a pier", "in a greenhouse", "beside a canal", "on a flat roof", "under a viaduct")


def reply(request: Request) -> str:
    """The stand-in's text for a request, from its role and fields.

    Raises:
        ValueError: there is no rule for the role.
    """
    values = request.fields
    rules = {
        "decompose": lambda: decompose(values["prompt"], values["topic"]),
        "critique": lambda: critique(values["prompt"], values.get("components"), image_of(request)),
        "refine": lambda: refine(values["prompt"], image_of(request)),
        "rewrite": lambda: rewrite(values["prompt"]),
        "judge": lambda: judge(
            values["prompt"],
            image_of(request),
            request.draw,
            values.get("scale", "grade"),
            values.get("structured", False),
        ),
        "write_prompts": lambda: write_prompt(values["topic"], values["kind"], request.draw),
    }
    if request.role not in rules:
        raise ValueError(f"the offline stand-in has no rule for the role {request.role!r}; it has {', '.join(rules)}")
    return rules[request.role]()


def image_of(request: Request):
    """The image that a request is about, read whole.

    Raises:
        OSError: it cannot be read.
    """
    from PIL import Image

    with Image.open(Path(request.images[0])) as image:
        return image.convert("RGB")


def decompose(prompt: str, topic: str) -> str:
    """A scene's two things and their places; of other prompts, relations between neighbouring content words."""
    if scene := world.parse(prompt):
        parts = [f"({part})" for part in world.components(scene)]
    else:
        filler = set(FILLER.split())
        words = [word for word in re.findall(r"[^\W\d_]+", prompt.lower()) if word not in filler] or ["subject"]
        triples = [words[at : at + 3] for at in range(0, max(1, len(words) - 2), 2)][:4]
        parts = [f"({' '.join(triple)})" for triple in triples]
        if len(parts) < 2:
            parts.append(f"({words[-1]} on ground)")
    return f"The scene needs {len(parts)} contacts.\n<(concept: {slug(topic)}) = {' + '.join(parts)}>"


def critique(prompt: str, components: list[str] | None, image) -> str:
    """Numbered issues, then the prompt as first sentence of a longer description.

    With components each is looked for in its place; without, only things are looked for, wherever they are.
    """
    parts = components or things(prompt)
    seen = looked_for(parts, image)
    missing = [part for part, there in zip(parts, seen, strict=True) if there is False]
    lines = [f"{n}. {part}: not in the image; to be shown clearly." for n, part in enumerate(missing, 1)]
    if not any(there is not None for there in seen):
        lines = ["1. This critic knows nothing of what the prompt names; the prompt stays as it is."]
    lines = lines or ["1. Everything that the prompt names can be seen; keep it."]
    if components:
        lines.append("Completeness: every thing is looked for in its place. The first issue weighs most.")
    return "\n".join([*lines, f"<{extended(prompt, [told(part) for part in missing])}>"])


def refine(prompt: str, image) -> str:
    """A new prompt and nothing else: it names the things that cannot be seen."""
    parts = things(prompt)
    missing = [part for part, there in zip(parts, looked_for(parts, image), strict=True) if there is False]
    return extended(prompt, [told(part) for part in missing] or [MOODS[0]])


def rewrite(prompt: str) -> str:
    """A description with more mood, from the text alone: it names nothing that could be seen."""
    return f"<{extended(prompt, [MOODS[0], pick(MOODS[1:], prompt), MOODS[3]])}>"


def judge(prompt: str, image, draw: int = 0, scale: str = "grade", structured: bool = False) -> str:
    """A grade from 1 to 5, or yes or no, by what the judge's eyes see; other draws see more or less.

    Of a scene: 5 if it is as meant, 4 if both things are there in other places, 2 if one is, else 1. Of another prompt:
    the share of the world's things that it names.
    """
    from detailscribe.miniature import judge as eyes

    found = eyes.look([image], THRESHOLDS[draw % len(THRESHOLDS)])[0]
    seen = sorted({entity for entity, _, _ in found})
    if scene := world.parse(prompt):
        first, second, arranged = eyes.holds(scene, found)
        grade = 5 if arranged else 4 if first and second else 2 if first or second else 1
    else:
        wanted = {thing.split()[-1] for thing in things(prompt)}
        grade = 1 + round(4 * len(wanted & set(seen)) / len(wanted)) if wanted else 1
    answer = grade if scale == "grade" else ("yes" if grade == 5 else "no")
    said = f"To be seen: {', '.join(seen) or 'nothing that is known here'}."
    return json.dumps({"reason": said, "score": answer}) if structured else f"{said} <{answer}>"


def things(prompt: str) -> list[str]:
    """The world's things that a prompt names, in its order, as the prompt says them."""
    singular = {many: one for one, many in world.PLURALS.items()}
    found = {}
    for word in re.findall(r"[a-z]+", prompt.lower()):
        if word in world.ENTITIES:
            found.setdefault(word, world.with_article(word))
        elif word in singular:
            found.setdefault(singular[word], word)
    return list(found.values())


def looked_for(parts: list[str], image) -> list[bool | None]:
    """Whether each part can be seen, by the miniature's BLIP-VQA; None for what it has no words for.

    Raises:
        SetupError: the packages that run it are not there.
    """
    known = [part in world.phrases() for part in parts]
    if not any(known):
        return [None] * len(parts)
    try:
        from detailscribe.miniature.critic import answers
    except ImportError as error:
        raise SetupError(
            f"the stand-in for a critic looks at images with torch and transformers, which are not here ({error}): run "
            "the miniature in the main environment, without --software-deployment-method"
        ) from error
    said = iter(answers([part for part, there in zip(parts, known, strict=True) if there], image))
    return [next(said) if there else None for there in known]


def told(part: str) -> str:
    """A sentence that says that a part is there."""
    return f"There {'is' if part.split()[0] in ('a', 'an') else 'are'} {part}."


def write_prompt(topic: str, kind: str, draw: int) -> str:
    """A prompt of the kind that names the topic; another draw gives other actors."""
    words = " ".join(re.split(r"[\s_-]+", topic.strip()))
    first = number(topic, kind, draw)
    animal, other = ANIMALS[first % len(ANIMALS)], ANIMALS[(first + 1 + first // 97 % 8) % len(ANIMALS)]
    place = pick(PLACES, topic, kind, draw)
    if kind == "compositional":
        materials = pick(MATERIALS, topic, draw)
        return f"<The shape of {words} laid out {place}, made of {materials} around one {animal} feather.>"
    if kind == "multi_subject":
        return f"<{article(animal)} and {article(other).lower()} meet {place}, both busy with {words}.>"
    return f"<{article(animal)} stops {place} for a careful try at this: {words}.>"


def picture(prompt: str, draw: int = 0) -> bytes:
    """An abstract PNG of 256 x 256 pixels that depends on the prompt and the draw."""
    from PIL import Image, ImageDraw

    numbers = hashlib.shake_256(f"{prompt}/{draw}".encode()).digest(8 * 12)
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), tuple(numbers[:3]))
    canvas = ImageDraw.Draw(image)
    for at in range(8, len(numbers), 8):
        x, y, width, height, *colour, shape = numbers[at : at + 8]
        draw_shape = canvas.ellipse if shape % 2 else canvas.rectangle
        draw_shape((x, y, x + 16 + width // 2, y + 16 + height // 2), fill=tuple(colour))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def extended(prompt: str, sentences: list[str]) -> str:
    """The prompt as first sentence, then as many of the sentences as the word limit leaves room for."""
    text = prompt.strip()
    text += "" if text.endswith((".", "!", "?")) else "."
    for sentence in sentences:
        if len(f"{text} {sentence}".split()) <= WORD_LIMIT:
            text = f"{text} {sentence}"
    return text


def slug(topic: str) -> str:
    """A topic as one word."""
    return re.sub(r"\W+", "_", topic.strip()).strip("_") or "scene"


def article(noun: str) -> str:
    """A noun with its indefinite article, as a sentence begins."""
    return f"{'An' if noun[0] in 'aeiou' else 'A'} {noun}"


def number(*what) -> int:
    """A fixed number for some values, spread evenly."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, what)).encode()).digest()[:8])


def pick(choices: tuple[str, ...], *what) -> str:
    """One of the choices, fixed by the values."""
    return choices[number(*what) % len(choices)]
