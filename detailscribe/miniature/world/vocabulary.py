"""Words of the scene world: entities with their plurals, backgrounds and moods."""

ANIMALS = ("cat", "dog", "rabbit", "elephant", "pig", "penguin", "turtle", "frog", "panda", "duck", "fox", "monkey")
PLURALS = {  # of the objects; animals have no plural here
    "guitar": "guitars",
    "ball": "balls",
    "apple": "apples",
    "umbrella": "umbrellas",
    "book": "books",
    "balloon": "balloons",
    "sunflower": "sunflowers",
    "gift": "gifts",
    "trumpet": "trumpets",
    "cake": "cakes",
    "star": "stars",
    "pizza": "pizzas",
}
OBJECTS = tuple(PLURALS)
ENTITIES = ANIMALS + OBJECTS

# Sky and ground, in RGB.
BACKGROUNDS = {
    "on the grass": ((150, 205, 255), (110, 190, 80)),
    "on the beach": ((120, 200, 250), (240, 220, 150)),
    "in the snow": ((190, 205, 225), (245, 248, 255)),
    "in the desert": ((250, 210, 150), (215, 160, 90)),
    "at night": ((25, 30, 70), (45, 60, 50)),
}

# Sentences that a rewritten prompt may add; they name nothing visible.
MOODS = (
    "Every object in sharp detail.",
    "In even daylight.",
    "In soft morning light.",
    "With natural colours.",
    "In a wide, uncluttered view.",
)


def with_article(noun: str) -> str:
    """A noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def singular(noun: str) -> str:
    """The singular of a plural of this world; any other word unchanged."""
    return next((one for one, many in PLURALS.items() if many == noun), noun)
