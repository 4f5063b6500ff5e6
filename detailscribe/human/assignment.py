"""Human ratings as the paper takes them: which prompts, and in what order the images.

A key says what stands where in a rater's workbook and page (`workbooks.py` and `rating_page.py` write and read those,
`human_tables.py` averages). Both carry the key's code, so that filled sheets find their key even when newer sheets were
made since.

Source: section 4 of the paper's project page; results_cleanup_and_preprocess.py of the released code.
"""

import random

from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils import get_column_letter

from detailscribe.errors import InputError
from detailscribe.files.digests import digest

CODE_LENGTH = 16  # hex characters of the digest that a workbook carries: 64 bits
FIRST_RATING_COLUMN = 5  # row, topic and prompt come first, then image, rating, image, rating ...


def rated_image_sets(methods: list[dict]) -> list[str]:
    """Image sets that a rater sees of each prompt.

    Raises:
        InputError: the study has no such method, or no image of its own to rate.
    """
    for method in methods:
        if not method["candidates"]:
            raise InputError(
                f"human: methods: {method['name']!r} has no images to rate in this study; take it off the list"
            )
    return [image_set for method in methods for image_set in method["candidates"]]


def draw_prompts(rows: list[dict], image_sets: list[str], count: int, seed: int) -> list[dict]:
    """The prompts to rate, in the order given: those with every image, at most `count` of them drawn by the seed.

    Each prompt's lot is its own, so that one more or one less in the study changes at most one prompt of the sheets.

    Raises:
        InputError: no prompt has every image.
    """
    complete = [row for row in rows if all(name in row["images"] for name in image_sets)]
    if not complete:
        raise InputError(f"human: no prompt has every image to rate ({', '.join(image_sets)}); see dropped.tsv")
    drawn = {row["id"] for row in sorted(complete, key=lambda row: digest([seed, row["id"]]))[:count]}
    return [row for row in complete if row["id"] in drawn]


def assign_images(
    rater: str, prompts: list[dict], image_sets: list[str], prompts_per_sheet: int, seed: int
) -> list[dict]:
    """The key of one rater's workbook: which image is where.

    Returns:
        Rows rater, sheet, row, column (of the rating), id, topic, prompt, image_set, file; topic and prompt as the
        sheet shows them.
    """
    key = []
    for number, prompt in enumerate(prompts):
        first = number - number % prompts_per_sheet
        last = min(first + prompts_per_sheet, len(prompts))
        order = list(image_sets)
        random.Random(digest([seed, rater, prompt["id"]])).shuffle(order)
        for place, image_set in enumerate(order):
            key.append(
                {
                    "rater": rater,
                    "sheet": f"{first + 1} to {last}",
                    "row": number - first + 2,
                    "column": get_column_letter(FIRST_RATING_COLUMN + 2 * place),
                    "id": prompt["id"],
                    "topic": cell_text(prompt["topic"]),
                    "prompt": cell_text(prompt["prompt"]),
                    "image_set": image_set,
                    "file": prompt["images"][image_set],
                }
            )
    return key


def key_digest(key: list[dict]) -> str:
    """What a workbook of this key carries."""
    return digest(key)[:CODE_LENGTH]


def cell_text(text: str | None) -> str:
    """A text as a cell shows it, and as its key holds it: one line, without characters that a workbook cannot hold."""
    return " ".join(ILLEGAL_CHARACTERS_RE.sub("", str(text)).split())
