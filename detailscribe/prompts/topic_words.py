"""Words of a topic in a prompt: stems of English words, and topic words that a prompt does not mention."""

import re

SHORTEST_STEM = 3  # letters that must be left when an ending is removed
LONGEST_ENDING = 3  # letters by which two forms of one word may differ
ENDINGS = (  # tried in this order, each with its replacement
    *(("ingly", ""), ("ing", ""), ("ying", "ie"), ("ies", "y"), ("ied", "y"), ("ied", "ie")),
    *(("ed", ""), ("es", ""), ("ly", ""), ("s", ""), ("e", "")),
)
FUNCTION_WORDS = frozenset(("a", "an", "and", "at", "by", "for", "in", "of", "on", "the", "to", "with"))  # optional


def missing_words(topic: str, prompt: str) -> str:
    """Words of the topic that the prompt mentions in no form, as a reason; empty if there are none."""
    prompt_stems = [stem(word) for word in re.findall(r"\w+", prompt.casefold())]
    words = [word for word in re.split(r"[\s_\-]+", topic.casefold()) if re.search(r"[^\W\d]", word)]
    words = [word for word in words if word not in FUNCTION_WORDS] or words
    missing = [
        word for word in words if not any(is_same_word(stem(re.sub(r"\W", "", word)), other) for other in prompt_stems)
    ]
    return f"the prompt does not mention {', '.join(missing)}" if missing else ""


def stem(word: str) -> str:
    """A word without its English ending, doubled last letter or v for f: approximate, but the same everywhere."""
    for ending, replacement in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(replacement) >= SHORTEST_STEM:
            word = word.removesuffix(ending) + replacement
            break
    if len(word) > SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "f" if word.endswith("v") else word


def is_same_word(stem: str, other: str) -> bool:
    """Whether two stems are of one word: equal, or one begins the other and few letters follow."""
    short, long = sorted((stem, other), key=len)
    begins = len(short) > SHORTEST_STEM and long.startswith(short) and len(long) - len(short) <= LONGEST_ENDING
    return stem == other or begins or (not stem.isascii() and stem in other)


def normalized(text: str) -> str:
    """The letters and digits of a text without case, to find duplicates."""
    return "".join(re.findall(r"[^\W_]+", text.casefold()))
