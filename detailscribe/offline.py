"""The stand-in for hosted models: answers each role by rule, so that the whole study runs without a network.

Its answers have the form that the parsers expect and depend on nothing but the request; their content means nothing.
"""

import hashlib
import io
import json
import re
from pathlib import Path

from detailscribe.exchanges import Request

MODEL = "offline-stand-in"  # its name in every exchange, so that no table can take it for a model
WORD_LIMIT = 70  # words of a refined prompt, the paper's limit
SIZE_PX = 256
FILLER = """
a an and anime are as at be being by each every for from his her in into is it its of on one onto or over same some
that the their them they this through to toward towards two under up upon very while with
"""
FLAWS = (
    "floats apart from what it should touch",
    "passes through its neighbour",
    "is bent the wrong way",
    "is cut off",
)
FIXES = ("in firm contact", "clearly separated", "at a natural angle", "wholly visible")
SETTINGS = ("in even daylight", "in soft morning light", "against a plain background", "in a wide, uncluttered view")
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
        "critique": lambda: critique(values["prompt"], values.get("components"), seen(request)),
        "refine": lambda: refine(values["prompt"], seen(request)),
        "rewrite": lambda: rewrite(values["prompt"]),
        "judge": lambda: judge(
            values["prompt"],
            f"{seen(request)}/{request.draw}",
            values.get("scale", "grade"),
            values.get("structured", False),
        ),
        "write_prompts": lambda: write_prompt(values["topic"], values["kind"], request.draw),
    }
    if request.role not in rules:
        raise ValueError(f"the offline stand-in has no rule for the role {request.role!r}; it has {', '.join(rules)}")
    return rules[request.role]()


def seen(request: Request) -> str:
    """What the stand-in sees of a request's images: their digest, once Pillow could read them."""
    from PIL import Image

    for path in request.images:
        with Image.open(Path(path)) as image:
            image.load()
    return "/".join(request.identity["images"])


def decompose(prompt: str, topic: str) -> str:
    """Two to four relations between neighbouring content words of the prompt."""
    filler = set(FILLER.split())
    words = [word for word in re.findall(r"[^\W\d_]+", prompt.lower()) if word not in filler] or ["subject"]
    triples = [words[at : at + 3] for at in range(0, max(1, len(words) - 2), 2)][:4]
    parts = [f"({' '.join(triple)})" for triple in triples]
    if len(parts) < 2:
        parts.append(f"({words[-1]} on ground)")
    return f"The scene needs {len(parts)} contacts.\n<(concept: {slug(topic)}) = {' + '.join(parts)}>"


def critique(prompt: str, components: list[str] | None, image: str) -> str:
    """Numbered issues, then the prompt as first sentence of a longer description; without components, fewer hints."""
    parts = components or ["the subject"]
    lines = [
        f"{n}. {part}: it {pick(FLAWS, image, part)}; show it {pick(FIXES, image, part)}."
        for n, part in enumerate(parts, 1)
    ]
    hints = [f"{part} {pick(FIXES, image, part)}" for part in parts]
    if components:
        lines.append("Completeness: every object named is whole and in view. The first issue weighs most.")
        hints.append(pick(SETTINGS, image, prompt))
    return "\n".join([*lines, f"<{extended(prompt, hints)}>"])


def refine(prompt: str, image: str) -> str:
    """A new prompt and nothing else."""
    return extended(prompt, [pick(FIXES, image, prompt), pick(SETTINGS, image, prompt)])


def rewrite(prompt: str) -> str:
    """A description with more detail, from the text alone."""
    return f"<{extended(prompt, ['every object in sharp detail', pick(SETTINGS, prompt), 'with natural colours'])}>"


def judge(prompt: str, image: str, scale: str = "grade", structured: bool = False) -> str:
    """One of the five grades, or yes or no, each about as often as the others."""
    grade = 1 + number(prompt, image) % 5 if scale == "grade" else ("yes", "no")[number(prompt, image) % 2]
    said = "The stand-in looks at a digest, not at a picture."
    return json.dumps({"reason": said, "score": grade}) if structured else f"{said} <{grade}>"


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


def extended(prompt: str, hints: list[str]) -> str:
    """The prompt as first sentence, then as many of the hints as the word limit leaves room for."""
    first = prompt.strip()
    first += "" if first.endswith((".", "!", "?")) else "."
    added: list[str] = []
    for hint in hints:
        if len(first.split()) + len(" ".join([*added, hint]).split()) <= WORD_LIMIT:
            added.append(hint)
    text = ", ".join(added)
    return f"{first} {text[0].upper()}{text[1:]}." if text else first


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
