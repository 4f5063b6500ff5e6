"""Invented content of the mock: benchmark prompts, placeholder images, and prompts extended up to the word limit.

Nothing is random: every choice is a digest of the inputs.
"""

import hashlib
import io
import re

from PIL import Image, ImageDraw

WORD_LIMIT = 70  # words of a refined prompt, the paper's limit
SIZE_PX = 256
ANIMALS = ("badger", "pelican", "tortoise", "otter", "lynx", "heron", "walrus", "gecko", "alpaca", "magpie")
MATERIALS = ("walnut shells", "copper wire", "dried kelp", "glass marbles", "folded maps", "red lentils", "slate chips")
PLACES = ("on a pier", "in a greenhouse", "beside a canal", "on a flat roof", "under a viaduct")


def invent_prompt(topic: str, kind: str, draw: int) -> str:
    """A prompt of a kind that names the topic; other draws give other actors."""
    words = " ".join(re.split(r"[\s_-]+", topic.strip()))
    number = _stable_number(topic, kind, draw)
    animal, other = ANIMALS[number % len(ANIMALS)], ANIMALS[(number + 1 + number // 97 % 8) % len(ANIMALS)]
    place = stable_choice(PLACES, topic, kind, draw)
    if kind == "compositional":
        materials = stable_choice(MATERIALS, topic, draw)
        return f"<The shape of {words} laid out {place}, made of {materials} around one {animal} feather.>"
    if kind == "multi_subject":
        return f"<{_subject(animal)} and {_subject(other).lower()} meet {place}, both busy with {words}.>"
    return f"<{_subject(animal)} stops {place} for a careful try at this: {words}.>"


def placeholder_png(prompt: str, draw: int = 0) -> bytes:
    """An abstract PNG of 256 x 256 pixels that depends on the prompt and the draw."""
    numbers = hashlib.shake_256(f"{prompt}/{draw}".encode()).digest(8 * 12)
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), tuple(numbers[:3]))
    canvas = ImageDraw.Draw(image)
    for start in range(8, len(numbers), 8):
        x, y, width, height, *colour, shape = numbers[start : start + 8]
        draw_shape = canvas.ellipse if shape % 2 else canvas.rectangle
        draw_shape((x, y, x + 16 + width // 2, y + 16 + height // 2), fill=tuple(colour))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def append_sentences(prompt: str, sentences: list[str]) -> str:
    """The prompt as first sentence, followed by the sentences that fit into the word limit."""
    text = prompt.strip()
    text += "" if text.endswith((".", "!", "?")) else "."
    for sentence in sentences:
        if len(f"{text} {sentence}".split()) <= WORD_LIMIT:
            text = f"{text} {sentence}"
    return text


def stable_choice(options: tuple[str, ...], *key: object) -> str:
    """One of the options, fixed by the key."""
    return options[_stable_number(*key) % len(options)]


def _stable_number(*key: object) -> int:
    """A 64-bit number, fixed by the key and uniformly distributed."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, key)).encode()).digest()[:8])


def _subject(noun: str) -> str:
    """A noun with its indefinite article, capitalised."""
    return f"{'An' if noun[0] in 'aeiou' else 'A'} {noun}"
