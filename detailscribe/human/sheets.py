"""Rating sheets: per rater a blind workbook and a blind page with the same images, and the key of both."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.human.assignment import assign_images, rated_image_sets, sample_prompts, save_key
from detailscribe.human.page import render_page
from detailscribe.human.thumbnail import blind_thumbnail
from detailscribe.human.workbook import build_workbook

INSTRUCTIONS = [
    "Rate each image with a whole number from 1 to 5: how well does it show what its prompt asks for?",
    "5 = nothing to correct",
    "4 = nearly perfect, some details need work",
    "3 = a critical part is missing",
    "2 = a subject is wrong or inaccurate",
    "1 = the interaction is poor, or the subjects do not act as they should",
]


def write_sheets(
    dictionary: list[dict],
    parameters: dict,
    results: Path,
    key_folder: Path,
    outputs: Iterable[tuple[str, Path, Path]],
    rater_done: Callable[[], None],
) -> list[dict]:
    """Write the workbook and the page of each rater.

    Args:
        dictionary: Rows of dictionary.jsonl.
        parameters: `methods`, `prompts`, `prompts_per_sheet`, `seed`.
        results: Folder that `images` in the dictionary are relative to.
        key_folder: Folder of the keys of all sheets ever written, by code.
        outputs: (rater, workbook, page).
        rater_done: Called once per rater.

    Returns:
        The keys' rows, each with the code of its workbook in front.
    """
    image_sets = rated_image_sets(parameters["methods"])
    prompts = sample_prompts(dictionary, image_sets, parameters["prompts"], parameters["seed"])
    thumbnail = cache(lambda file: blind_thumbnail(results / file))
    rows = []
    for rater, workbook, page in outputs:
        key = assign_images(rater, prompts, image_sets, parameters["prompts_per_sheet"], parameters["seed"])
        code = save_key(key_folder, key)
        with atomic_write(workbook) as temporary:
            build_workbook(key, thumbnail, INSTRUCTIONS).save(temporary)
        write_text(page, render_page(key, thumbnail, INSTRUCTIONS))
        rows += [{"workbook": code, **row} for row in key]
        rater_done()
    return rows
