"""Echoes of an instruction: a reply that repeats the request's placeholder, its example or its words.

What counts as the instruction is read from the request's messages, so that a study's own templates are covered.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from detailscribe.llm.request import Request

RUN_WORDS = 5  # fewer words of an instruction may stand in a prompt by chance
LARGEST_REST = 1 / 3  # of an echo's words that are not the instruction's; an instruction may name words to be used
_GROUP = re.compile(r"<[^<>]{1,400}>(?:[^<>\n]{0,20}<[^<>]{1,400}>)*")  # `<yes> or <no>` is one group
_EXAMPLE = re.compile(r"<([^<>=＝]*)[=＝]([^<>]*)>")  # of a decomposition: `<(concept: x) = (a) + (b)>`
_WORD = re.compile(r"[^\W_]+")
_PLACEHOLDER_WORDS = 4


def repeats_instruction(request: Request, text: str, value: object) -> bool:
    """Whether the answer in a reply is the instruction's own text.

    Args:
        text: What the model says, without its thoughts.
        value: The parsed answer: a prompt, a number, concept and components, or None where none was readable.
    """
    groups = list(_groups(request))
    last = _words(next(reversed(_GROUP.findall(text)), ""))
    repeated = [group for group in groups if last and _words(group) == last]
    if any(group.count("<") > 1 for group in repeated):
        return True
    if isinstance(value, float):  # an instruction may give a valid mark as its example
        return False
    if isinstance(value, tuple):
        return _is_example(request, value[1])
    return _repeats_words(request, groups, value) if isinstance(value, str) else bool(repeated)


def without_label(request: Request, prompt: str) -> str:
    """A prompt without the placeholder's words before it: `<new description: A dog plays.>`."""
    for group in _groups(request):
        words = re.findall(r"\w+", group)
        if 0 < len(words) <= _PLACEHOLDER_WORDS and group.count("<") == 1:
            label = r"\W{1,3}".join(map(re.escape, words)) + r"\s{0,3}[:：]\s*(?=\S)"
            if found := re.match(label, prompt, re.IGNORECASE):
                return prompt[found.end() :]
    return prompt


def _is_example(request: Request, components: Sequence[str]) -> bool:
    """Whether each component is an example's: all of them, some, in another order, or one several times.

    No echo where the prompt justifies each one: it is about the very concept of an example that has the component, or
    has the component's own words.
    """
    examples = [example for text in _instructions(request) for example in _examples(text)]
    holders = [[name for name, words in examples if _spaced(_words(each)) in words] for each in components]
    if not all(holders):
        return False
    own = {_stem(word) for text in _values(request) for word in _words(text)}
    return not all(
        any(_are_in(own, words) for words in (_words(each), *names))
        for each, names in zip(components, holders, strict=True)
    )


def _are_in(own: set[str], words: Sequence[str]) -> bool:
    """Whether a record's own texts have the words in some form; words of one or two letters are in any text."""
    long = [word for word in words if len(word) > 2 or not word.isascii()]
    return bool(long) and all(_stem(word) in own for word in long)


def _stem(word: str) -> str:
    return word[:4]  # `rolls` is a form of `rolling`


def _repeats_words(request: Request, groups: list[str], value: str) -> bool:
    """Whether a prompt is a bracketed text of the instruction, or little else than words of it, in their order."""
    found = _words(value)
    if found in map(_words, groups):
        return True
    asked = [_spaced(_words(message["content"])) for message in request.messages]
    own = [_spaced(_words(text)) for text in _values(request)]
    repeated = set[int]()
    for start in range(len(found) - RUN_WORDS + 1):
        run = _spaced(found[start : start + RUN_WORDS])
        if any(run in text for text in asked) and not any(run in text for text in own):
            repeated.update(range(start, start + RUN_WORDS))
    return len(found) - len(repeated) < LARGEST_REST * len(found)


def _groups(request: Request) -> Iterator[str]:
    """Bracketed texts of the instruction, neighbours together."""
    for text in _instructions(request):
        yield from _bracketed(text)


def _instructions(request: Request) -> Iterator[str]:
    """Messages that hold a bracket, without the record's own texts that do."""
    own = [text for text in _values(request) if "<" in text]
    for message in request.messages:
        content = message["content"]
        for text in own:
            content = content.replace(text, " ")
        if "<" in content:
            yield content


@lru_cache(maxsize=64)
def _bracketed(text: str) -> list[str]:
    return _GROUP.findall(text)


@lru_cache(maxsize=64)
def _examples(text: str) -> list[tuple[tuple[str, ...], str]]:
    """Decompositions that an instruction gives as examples: words of the concept, and those of the components."""
    found = [(_words(concept), _spaced(_words(components))) for concept, components in _EXAMPLE.findall(text)]
    return [(tuple(word for word in name if word != "concept"), words) for name, words in found]


def _values(request: Request) -> Iterator[str]:
    """The record's own texts in the request."""
    for value in request.fields.values():
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))


def _spaced(words: Sequence[str]) -> str:
    """Words between blanks, so that a part of a word is not found as one."""
    return f" {' '.join(words)} "


@lru_cache(maxsize=256)  # an instruction is the same for every record
def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))
