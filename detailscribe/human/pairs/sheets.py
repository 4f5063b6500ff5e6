"""Sheets of pairs: per rater one blind page with the images of all pairs, and its key."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.atomic import write_text
from detailscribe.human.assignment import save_key
from detailscribe.human.pairs.assignment import assign_pairs, compared_prompts
from detailscribe.human.pairs.page import render_pair_page
from detailscribe.human.thumbnail import blind_jpeg

INSTRUCTIONS = [
    "You see two images made for the same prompt. Which of them shows better what the prompt asks for?",
    "What counts first is the interaction: do the subjects act on each other as the prompt says, with the right parts "
    "touching, holding or facing each other?",
    "Then the subjects themselves: is each of them there, complete and as described?",
    "Beauty and style count only where these are equal. Enlarge the images before you decide on details.",
]


def write_pair_sheets(
    dictionary: list[dict],
    values: Mapping,
    scores: list[dict],
    results: Path,
    key_folder: Path,
    outputs: Iterable[tuple[str, Path]],
    rater_done: Callable[[], None],
) -> list[dict]:
    """Write the page of each rater.

    Args:
        dictionary: Rows of dictionary.jsonl.
        values: Of `human_pair_parameters`.
        scores: As for `compared_prompts`.
        results: Folder that `images` in the dictionary are relative to.
        key_folder: Folder of the keys of all pages ever written, by code.
        outputs: (rater, page).
        rater_done: Called once per rater.

    Returns:
        The keys' rows, each with the code of its page (`sheet`) in front.

    Raises:
        InputError: no two methods have different images of any prompt.
    """
    prompts = compared_prompts(dictionary, values, scores)
    image = cache(lambda file: blind_jpeg(results / file))
    shown = cache(lambda file: sha256(image(file)).hexdigest())
    rows = []
    for rater, page in outputs:
        key = assign_pairs(rater, prompts, values, shown)
        if not any(row["pair"] for row in key):
            raise InputError("human: pairs: the compared methods have the same image of every prompt: nothing to judge")
        code = save_key(key_folder, key)
        write_text(page, render_pair_page(key, image, INSTRUCTIONS))
        rows += [{"sheet": code, **row} for row in key]
        rater_done()
    return rows
