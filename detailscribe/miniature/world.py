"""The scene world of the miniature: what can be seen in it, how it is said, and why its prompts fail.

A scene shows two entities in one of eight arrangements before one of five backgrounds: an animal and an object
(functional), an animal and a pattern of objects (compositional), or two animals (multi_subject), as in InterActing.

Failures are built in, by two kinds of noise in the captions that the image model learns from:

* Neglect: the second entity is missing from most pictures if it is one of NEGLECTED, and from few otherwise; the first
  is missing from few.
* Slip: the entities stand in another arrangement of the same scenario.

A sentence that names an entity ("There is a guitar.") is always true of its picture, and so is its place ("There is a
guitar on the right."). A prompt that says more therefore gets more, which is what the study's method relies on. How
much more is a property of this world: no number made in it says anything about the paper.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np

SIDE_PX = 96
LARGE_PX, MEDIUM_PX, SMALL_PX = 48, 36, 24  # sides of a sprite

ANIMALS = ("cat", "dog", "rabbit", "elephant", "pig", "penguin", "turtle", "frog", "panda", "duck", "fox", "monkey")
OBJECTS = (
    ("guitar", "guitars"),
    ("ball", "balls"),
    ("apple", "apples"),
    ("umbrella", "umbrellas"),
    ("book", "books"),
    ("balloon", "balloons"),
    ("sunflower", "sunflowers"),
    ("gift", "gifts"),
    ("trumpet", "trumpets"),
    ("cake", "cakes"),
    ("star", "stars"),
    ("pizza", "pizzas"),
)
PLURALS = dict(OBJECTS)
OBJECTS = tuple(PLURALS)
ENTITIES = ANIMALS + OBJECTS
NEGLECTED = frozenset(OBJECTS[::2] + ANIMALS[::3])

NEGLECT, RARELY_MISSING, SLIP = 0.85, 0.05, 0.2  # shares of pictures, where the caption does not say otherwise

# Sky and ground, in RGB.
BACKGROUNDS = {
    "on the grass": ((150, 205, 255), (110, 190, 80)),
    "on the beach": ((120, 200, 250), (240, 220, 150)),
    "in the snow": ((190, 205, 225), (245, 248, 255)),
    "in the desert": ((250, 210, 150), (215, 160, 90)),
    "at night": ((25, 30, 70), (45, 60, 50)),
}
STARS = ((7, 13), (18, 45), (10, 78), (30, 27), (27, 66), (40, 88))  # row and column, at night
HORIZON_PX = 66

# What a rewritten prompt may add without saying anything that can be seen here.
MOODS = (
    "Every object in sharp detail.",
    "In even daylight.",
    "In soft morning light.",
    "With natural colours.",
    "In a wide, uncluttered view.",
)


@dataclass(frozen=True)
class Arrangement:
    """Where the two entities stand, and how that is said.

    Args:
        scenario: functional, compositional or multi_subject.
        first, second: Where each stands, in words.
        first_at, second_at: Centres in pixels, (x, y); the second entity of a pattern has several.
        first_px, second_px: Sides of their sprites.
        says: Ways to say it of {a} (with article) and {b} (with article, or a plural in a pattern).
        dx, dy: Offsets in pixels by which the whole may be moved.
    """

    scenario: str
    first: str
    second: str
    first_at: tuple[int, int]
    second_at: tuple[tuple[int, int], ...]
    first_px: int
    second_px: int
    says: tuple[str, ...]
    dx: tuple[int, ...] = (-8, 0, 8)
    dy: tuple[int, ...] = (-8, 0)

    @property
    def pattern(self) -> bool:
        """Whether the second entity stands there several times."""
        return len(self.second_at) > 1


_ROW = tuple((12 + 24 * at, 76) for at in range(4))
_ZIGZAG = tuple((12 + 24 * at, 14 + 16 * (at % 2)) for at in range(4))
_RING = tuple((round(48 + 36 * np.cos(np.pi * at / 4)), round(48 + 36 * np.sin(np.pi * at / 4))) for at in range(8))
ARRANGEMENTS = {
    "holding": Arrangement(
        "functional", "on the left", "on the right", (28, 56), ((70, 56),), LARGE_PX, MEDIUM_PX,
        ("{a} holding {b}", "{b} and {a} holding it"),
    ),
    "riding": Arrangement(
        "functional", "at the top", "at the bottom", (48, 32), ((48, 74),), LARGE_PX, MEDIUM_PX,
        ("{a} riding {b}", "{b} and {a} riding it"),
    ),
    "balancing": Arrangement(
        "functional", "at the bottom", "at the top", (48, 68), ((48, 26),), LARGE_PX, MEDIUM_PX,
        ("{a} balancing {b} on its head", "{b} balancing on top of {a}"),
    ),
    "circle": Arrangement(
        "compositional", "in the middle", "all around", (48, 48), _RING, MEDIUM_PX, SMALL_PX,
        ("a circle of {b} around {a}", "{a} inside a circle of {b}"), (0,), (0,),
    ),
    "row": Arrangement(
        "compositional", "at the top", "at the bottom", (48, 36), _ROW, LARGE_PX, SMALL_PX,
        ("a row of {b} under {a}", "{a} above a row of {b}"), (0,), (-8, 0),
    ),
    "zigzag": Arrangement(
        "compositional", "at the bottom", "at the top", (48, 66), _ZIGZAG, LARGE_PX, SMALL_PX,
        ("a zigzag of {b} over {a}", "{a} below a zigzag of {b}"), (0,), (0, 4),
    ),
    "facing": Arrangement(
        "multi_subject", "on the left", "on the right", (24, 56), ((72, 56),), LARGE_PX, LARGE_PX,
        ("{a} facing {b}", "{a} and {b} facing each other"), (0,), (-8, 0, 8),
    ),
    "standing": Arrangement(
        "multi_subject", "at the top", "at the bottom", (48, 26), ((48, 72),), LARGE_PX, LARGE_PX,
        ("{a} standing on {b}", "{b} and {a} standing on it"), dy=(0,),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What is meant, or what is drawn: `shown` says which of the two entities are there."""

    arrangement: str
    first: str
    second: str
    background: str
    dx: int = 0
    dy: int = 0
    shown: tuple[bool, bool] = (True, True)

    @property
    def plan(self) -> Arrangement:
        """Where its entities stand."""
        return ARRANGEMENTS[self.arrangement]

    def boxes(self) -> list[tuple[str, int, int, int]]:
        """What a perfect detector finds: entity, centre x and y, side, in pixels."""
        plan, found = self.plan, []
        if self.shown[0]:
            found.append((self.first, plan.first_at[0] + self.dx, plan.first_at[1] + self.dy, plan.first_px))
        if self.shown[1]:
            found += [(self.second, x + self.dx, y + self.dy, plan.second_px) for x, y in plan.second_at]
        return found


# ---- what there is, and what is held out ----


def pairings(arrangement: str) -> list[tuple[str, str]]:
    """Every first and second entity that may stand in an arrangement."""
    seconds = ANIMALS if ARRANGEMENTS[arrangement].scenario == "multi_subject" else OBJECTS
    return [(first, second) for first, second in product(ANIMALS, seconds) if first != second]


def held_out(scene: Scene) -> bool:
    """Whether no part may be trained on a scene: one in eight pairings of an arrangement, and of positions an entity
    is in."""
    pairing = (scene.arrangement, scene.first, scene.second)
    place = (scene.arrangement, scene.second, scene.dx, scene.dy)
    movable = len(scene.plan.dx) * len(scene.plan.dy) > 1
    return _eighth(pairing) or (movable and _eighth(place))


def random_scene(
    rng: np.random.Generator, held: bool = False, arrangements: tuple[str, ...] = tuple(ARRANGEMENTS)
) -> Scene:
    """A whole scene of the training part, or of the held-out one; what `arrangements` names twice is drawn twice as
    often.
    """
    while True:
        name = _one(rng, arrangements)
        plan = ARRANGEMENTS[name]
        first, second = _one(rng, _pairings(name))
        scene = Scene(name, first, second, _one(rng, tuple(BACKGROUNDS)), _one(rng, plan.dx), _one(rng, plan.dy))
        if held_out(scene) == held:
            return scene


def held_out_prompts(count: int, seed: int) -> list[Scene]:
    """Different scenes with held-out pairings, equally many of each arrangement as far as they go round."""
    rng = np.random.default_rng(seed)
    scenes = {}
    names = list(ARRANGEMENTS)
    while len(scenes) < count:
        name = names[len(scenes) % len(names)]
        first, second = _one(rng, _pairings(name))
        scene = Scene(name, first, second, _one(rng, tuple(BACKGROUNDS)))
        if _eighth((name, first, second)):
            scenes.setdefault((name, first, second, scene.background), scene)
    return list(scenes.values())


# ---- words ----


def caption(scene: Scene, rng: np.random.Generator, background: bool | None = None) -> str:
    """A sentence that means a scene; the background is left out now and then, or as told."""
    plan = scene.plan
    said = _one(rng, plan.says).format(a=with_article(scene.first), b=second_named(scene))
    where = rng.random() < 0.8 if background is None else background
    if not where:
        return _sentence(said)
    return _sentence(f"{said} {scene.background}" if rng.random() < 0.8 else f"{scene.background}, {said}")


def sentence(scene: Scene, which: int, placed: bool) -> str:
    """A sentence that names one entity, 0 or 1, and its place if asked: "There is a guitar on the right."."""
    plan = scene.plan
    many = which == 1 and plan.pattern
    name = (scene.first, scene.second)[which]
    place = f" {(plan.first, plan.second)[which]}" if placed else ""
    return f"There {'are' if many else 'is'} {PLURALS[name] if many else with_article(name)}{place}."


def named(entity: str, many: bool) -> str:
    """A sentence that names an entity and no more; animals come alone."""
    many = many and entity in PLURALS
    return f"There {'are' if many else 'is'} {PLURALS[entity] if many else with_article(entity)}."


def words() -> list[str]:
    """Every text of this world, taken apart into the words that it is made of."""
    texts = [*BACKGROUNDS, *MOODS, "There is are a an yes no ? nothing"]
    texts += [*ENTITIES, *PLURALS.values()]
    for plan in ARRANGEMENTS.values():
        texts += [plan.first, plan.second, *(said.format(a="", b="") for said in plan.says)]
    return sorted({word for text in texts for word in re.findall(r"[a-z]+|[^a-z\s]", text.lower())})


def components(scene: Scene) -> list[str]:
    """The scene taken apart: each entity and its place."""
    plan = scene.plan
    return [f"{with_article(scene.first)} {plan.first}", f"{second_named(scene)} {plan.second}"]


def places() -> tuple[str, ...]:
    """Where an entity may stand."""
    return tuple(sorted({place for plan in ARRANGEMENTS.values() for place in (plan.first, plan.second)}))


@lru_cache
def phrases() -> tuple[str, ...]:
    """All that can be asked about a picture: things, things in their places, patterns, backgrounds."""
    things = [*map(with_article, ENTITIES), *PLURALS.values()]
    placed = [f"{thing} {place}" for thing in things for place in places()]
    patterns = [f"a {name}" for name, plan in ARRANGEMENTS.items() if plan.pattern]
    return (*things, *placed, *patterns, *map(_ground, BACKGROUNDS))


def true_phrases(scene: Scene) -> tuple[set[str], set[str]]:
    """Of `phrases` and a few more: those that are true of a drawn scene, and those that are neither true nor false."""
    plan = scene.plan
    true, open_ = {_ground(scene.background)}, set()
    if scene.shown[0]:
        thing = with_article(scene.first)
        true |= {thing, f"{thing} {plan.first}", "its head"}
    if scene.shown[1]:
        thing = second_named(scene)
        true |= {thing, f"{thing} {plan.second}"}
        if plan.pattern:
            true.add(f"a {scene.arrangement}")
            one = with_article(scene.second)
            open_ |= {phrase for phrase in phrases() if phrase.startswith(one)}
    if all(scene.shown) and scene.arrangement == "facing":
        true.add("each other")
    return true, open_


def _ground(background: str) -> str:
    return background.removeprefix("on ").removeprefix("in ").removeprefix("at ")


def second_named(scene: Scene) -> str:
    """The second entity as captions name it."""
    return PLURALS[scene.second] if scene.plan.pattern else with_article(scene.second)


def with_article(noun: str) -> str:
    """A noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def parse(prompt: str) -> Scene | None:
    """The scene that a prompt's first sentence means; None if it is none of this world's.

    A prompt without a background gets the first one.
    """
    text = " ".join(prompt.lower().split(".")[0].split())
    background = next((each for each in BACKGROUNDS if each in text), None)
    if background:
        text = text.replace(f"{background},", "").replace(background, "").strip()
    for name, pattern in _patterns():
        if found := pattern.fullmatch(text):
            many = ARRANGEMENTS[name].pattern
            second = _singular(found["b"]) if many else found["b"]
            if (found["a"], second) in _pairings(name):
                return Scene(name, found["a"], second, background or next(iter(BACKGROUNDS)))
    return None


# ---- noise ----


def training_pair(scene: Scene, rng: np.random.Generator) -> tuple[Scene, str]:
    """What the image model learns: what is really drawn, and a caption that means `scene`."""
    named = [rng.random() < 0.5 for _ in range(2)]
    placed = [each and rng.random() < 0.6 for each in named]
    sentences = [caption(scene, rng)]
    sentences += [sentence(scene, which, placed[which]) for which in range(2) if named[which]]
    if rng.random() < 0.15:
        sentences.append(_one(rng, MOODS))
    drawn = scene
    if not any(placed) and rng.random() < SLIP:
        slipped = _rearranged(scene, rng)
        drawn = scene if held_out(slipped) else slipped
    missing = NEGLECT if scene.second in NEGLECTED else RARELY_MISSING
    if not named[1] and rng.random() < missing:
        drawn = replace(drawn, shown=(True, False))
    elif not named[0] and rng.random() < RARELY_MISSING:
        drawn = replace(drawn, shown=(False, True))
    return drawn, " ".join(sentences)


def wrong_scene(
    scene: Scene,
    rng: np.random.Generator,
    kinds: tuple[str, ...] = ("first", "second", "place"),
    any_part: bool = False,
) -> Scene:
    """A scene that differs from another in one thing: its first or second entity, or its arrangement.

    It is of the training part, unless any part will do.
    """
    while True:
        kind = _one(rng, kinds)
        if kind == "place":
            other = _rearranged(scene, rng)
        else:
            first, second = _one(rng, _pairings(scene.arrangement))
            other = replace(scene, first=first) if kind == "first" else replace(scene, second=second)
        different = (other.arrangement, other.first, other.second) != (scene.arrangement, scene.first, scene.second)
        if different and other.first != other.second and (any_part or not held_out(other)):
            return other


def _rearranged(scene: Scene, rng: np.random.Generator) -> Scene:
    other = replace(scene, arrangement=_one(rng, _others(scene.arrangement)))
    return replace(other, dx=_one(rng, other.plan.dx), dy=_one(rng, other.plan.dy))


# ---- pictures ----


def draw(scene: Scene, sprites: dict) -> np.ndarray:
    """A scene as pixels.

    Args:
        sprites: Of `sprites.load`.

    Returns:
        uint8, 96 x 96 x 3.
    """
    image = background(scene.background).copy()
    boxes = scene.boxes()
    for entity, x, y, side in reversed(boxes):
        flipped = entity in ANIMALS and scene.arrangement in ("facing", "holding") and entity == scene.first
        paste(image, sprites[entity, side, flipped], x, y)
    return (image * 255 + 0.5).astype(np.uint8)


@lru_cache
def background(name: str) -> np.ndarray:
    """Sky, ground and, at night, stars: float32 in [0, 1], 96 x 96 x 3."""
    sky, ground = (np.array(colour, np.float32) for colour in BACKGROUNDS[name])
    image = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    image[:HORIZON_PX] = sky * (1 - 0.15 * np.linspace(0, 1, HORIZON_PX, dtype=np.float32)[:, None, None])
    image[HORIZON_PX:] = ground
    if name == "at night":
        for y, x in STARS:
            image[y : y + 2, x : x + 2] = 255
    return image / 255


def paste(image: np.ndarray, sprite: np.ndarray, x: int, y: int) -> None:
    """Lay a sprite (premultiplied RGBA in [0, 1]) over an image around a centre; what lies outside is cut off."""
    half = sprite.shape[0] // 2
    top, left = y - half, x - half
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(image.shape[0], top + sprite.shape[0]), min(image.shape[1], left + sprite.shape[1])
    if y0 < y1 and x0 < x1:
        part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
        image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * (1 - part[..., 3:]) + part[..., :3]


def collage(
    rng: np.random.Generator, sprites: dict, spoil: float = 0.0, most: int = 7
) -> tuple[np.ndarray, list, list]:
    """Two sprites or more, `most` at most, anywhere before a background.

    Args:
        spoil: Share of sprites that are of no entity: half one and half another, scrambled, or faint.

    Returns:
        The picture; boxes as in `Scene.boxes`, the topmost last; boxes of the spoilt, with how many boxes lie below.
    """
    image = background(_one(rng, tuple(BACKGROUNDS))).copy()
    boxes, spoilt = [], []
    for _ in range(int(rng.integers(2, most + 1))):
        entity, side = _one(rng, ENTITIES), _one(rng, (LARGE_PX, MEDIUM_PX, SMALL_PX))
        x, y = (4 * int(rng.integers(2, SIDE_PX // 4 - 1)) for _ in range(2))
        sprite = sprites[entity, side, bool(rng.random() < 0.2)]
        if rng.random() < spoil:
            sprite = _spoilt(rng, sprite, sprites[_one(rng, ENTITIES), side, False])
            spoilt.append((entity, x, y, side, len(boxes) - 1))
        else:
            boxes.append((entity, x, y, side))
        paste(image, sprite, x, y)
    return (image * 255 + 0.5).astype(np.uint8), boxes, spoilt


def _spoilt(rng: np.random.Generator, sprite: np.ndarray, other: np.ndarray) -> np.ndarray:
    how, half = rng.integers(3), len(sprite) // 2
    if how == 0:
        return np.concatenate([sprite[:, :half], other[:, half:]], 1)
    if how == 1:
        parts = [sprite[:half, :half], sprite[:half, half:], sprite[half:, :half], sprite[half:, half:]]
        a, b, c, d = (parts[at] for at in rng.permutation(4))
        return np.concatenate([np.concatenate([a, b], 1), np.concatenate([c, d], 1)], 0)
    return sprite * np.float32(0.3)


# ---- helpers ----


def _eighth(what: tuple) -> bool:
    return hashlib.sha256(repr(what).encode()).digest()[0] % 8 == 0


def _one(rng: np.random.Generator, choices):
    return choices[int(rng.integers(len(choices)))]


@lru_cache
def _pairings(arrangement: str) -> tuple[tuple[str, str], ...]:
    return tuple(pairings(arrangement))


@lru_cache
def _others(arrangement: str) -> tuple[str, ...]:
    scenario = ARRANGEMENTS[arrangement].scenario
    return tuple(name for name, plan in ARRANGEMENTS.items() if plan.scenario == scenario and name != arrangement)


@lru_cache
def _patterns() -> tuple[tuple[str, re.Pattern], ...]:
    one, many = r"an? (?P<{}>\w+)", r"(?P<{}>\w+)"
    return tuple(
        (name, re.compile(said.format(a=one.format("a"), b=(many if plan.pattern else one).format("b"))))
        for name, plan in ARRANGEMENTS.items()
        for said in plan.says
    )


def _singular(plural: str) -> str:
    return next((one for one, many in PLURALS.items() if many == plural), plural)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
