"""Assignment of prompts and images to raters: which prompts are rated, and in which order a rater sees their images.

A key lists where each image is in a rater's workbook and page; image sets that show the same image of a prompt share a
place. Workbook and page carry the digest of their key, so that filled sheets find it even after newer sheets were
written.

Source: section 4 of the paper's project page; results_cleanup_and_preprocess.py of the released code.
"""

import random
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from unicodedata import normalize

from detailscribe.errors import InputError
from detailscribe.files.digests import digest
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.study.methods import rated_methods
from detailscribe.study.study import Study

STAGE = "human_sheets"
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    sampling = {key: study.config["human"][key] for key in ("prompts", "prompts_per_sheet", "seed")}
    return {"human_sheets": {**rating_parameters(study), **sampling}}


def rating_parameters(study: Study) -> dict:
    """The rated methods and the raters."""
    return {"methods": [vars(method) for method in rated_methods(study)], "raters": study.config["human"]["raters"]}


CODE_LENGTH = 16  # hex characters of the key's digest that sheets carry: 64 bits
# Control characters, and U+FFFE and U+FFFF, which no XML holds: a workbook with one of them opens in no program.
UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
RATING_COLUMN = "E"  # of a workbook with a row per image: number, topic, prompt and image come first


def rated_image_sets(methods: list[dict]) -> list[str]:
    """Image sets that a rater sees of each prompt.

    Raises:
        InputError: a method has no image of its own to rate in this study.
    """
    for method in methods:
        if not method["candidates"]:
            raise InputError(
                f"human: methods: {method['name']!r} has no images to rate in this study; remove it from the list"
            )
    return [image_set for method in methods for image_set in method["candidates"]]


def sample_prompts(rows: list[dict], image_sets: list[str], count: int, seed: int) -> list[dict]:
    """At most `count` of the prompts that have every image, sampled by the seed, in the order given.

    Each prompt is ranked by a digest of its own id, so that adding or removing one prompt changes at most one of the
    sample.

    Raises:
        InputError: no prompt has every image.
    """
    complete = [row for row in rows if all(name in row["images"] for name in image_sets)]
    if not complete:
        raise InputError(f"human: no prompt has every image to rate ({', '.join(image_sets)}); see dropped.tsv")
    sampled = set(order_of_draw((row["id"] for row in complete), seed)[:count])
    return [row for row in complete if row["id"] in sampled]


def order_of_draw(ids: Iterable[str], seed: int) -> list[str]:
    """Prompts in the random order of the seed: the first n are the ones that sheets of n prompts hold."""
    return sorted(ids, key=lambda id: digest([seed, id]))


def assign_images(
    rater: str,
    prompts: list[dict],
    image_sets: list[str],
    prompts_per_sheet: int,
    seed: int,
    shown: Callable[[str], str],
) -> list[dict]:
    """The key of one rater's sheets, with the images of each prompt in random order.

    Args:
        rater: Name.
        prompts: Rows id, topic, prompt, images (files by image set).
        image_sets: Names.
        prompts_per_sheet: Of the workbook.
        seed: Shuffles the images, with the rater and the prompt.
        shown: Digest of what is shown of a file.

    Returns:
        Rows rater, sheet, row, column (of the rating), image (its number among the prompt's), id, topic, prompt,
        image_set, file; topic and prompt as the sheet shows them. Image sets with the same image are rows with the same
        place, the first of `image_sets` in front.
    """
    key = []
    for number, prompt in enumerate(prompts):
        first = number - number % prompts_per_sheet
        if number == first:
            line = 1
        same: dict[str, list[str]] = {}
        for image_set in image_sets:
            same.setdefault(shown(prompt["images"][image_set]), []).append(image_set)
        images = list(same.values())
        random.Random(digest([seed, rater, prompt["id"]])).shuffle(images)
        for position, names in enumerate(images, 1):
            line += 1
            place = {
                **{"rater": rater, "sheet": f"{first + 1} to {min(first + prompts_per_sheet, len(prompts))}"},
                **{"row": line, "column": RATING_COLUMN, "image": position},
            }
            texts = {"topic": cell_text(prompt["topic"]), "prompt": cell_text(prompt["prompt"])}
            key += [
                {**place, "id": prompt["id"], **texts, "image_set": name, "file": prompt["images"][name]}
                for name in names
            ]
    return key


def rated_places(key: list[dict]) -> list[list[dict]]:
    """The rows of each place of a key, which share one image, in the order of the sheets."""
    return [list(rows) for _, rows in groupby(key, key=lambda row: (row["sheet"], row["row"], row["column"]))]


def key_digest(key: list[dict]) -> str:
    """The code that the sheets of a key carry."""
    return digest(key)[:CODE_LENGTH]


def save_key(folder: Path, key: list[dict]) -> str:
    """Store a key under its code, which is returned."""
    code = key_digest(key)
    write_rows(folder / f"{code}.jsonl", key)
    return code


def find_key(folder: Path, code: str) -> list[dict]:
    """The stored key of a code; empty for an unknown code."""
    path = folder / f"{code}.jsonl"
    return read_rows(path) if re.fullmatch(f"[0-9a-f]{{{CODE_LENGTH}}}", code) and path.is_file() else []


def cell_text(text: str | None) -> str:
    """A text as a cell shows it and its key holds it: one line, U+FFFD for characters that a workbook cannot store."""
    return " ".join(UNSTORABLE.sub("\ufffd", " ".join(str(text).split())).split())


def same_text(shown: object, text: str) -> bool:
    """Whether a filled sheet shows the text of its key; programs may save it in another Unicode form.

    Keys of earlier versions lack the characters that a workbook cannot store.
    """
    one, other = (normalize("NFC", cell_text(str(each))) for each in (shown, text))
    return one == other
