"""Rating sheets: per rater a blind workbook and a blind page with the same images, the key of both, and a note.

What is sent to raters (SEND) and what says where the images came from (KEEP) are in folders of their own.
"""

from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.brought_files import brought_files
from detailscribe.human.assignment import assign_images, rated_image_sets, sample_prompts, save_key
from detailscribe.human.page import render_page
from detailscribe.human.thumbnail import blind_jpeg, blind_thumbnail
from detailscribe.human.workbook import build_workbook

SEND, KEEP = "send", "keep"


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
    image = cache(lambda file: blind_jpeg(results / file))
    thumbnail = cache(lambda file: blind_thumbnail(results / file))
    shown = cache(lambda file: sha256(image(file)).hexdigest())
    rows = []
    for rater, workbook, page in outputs:
        key = assign_images(rater, prompts, image_sets, parameters["prompts_per_sheet"], parameters["seed"], shown)
        code = save_key(key_folder, key)
        with atomic_write(workbook) as temporary:
            build_workbook(key, thumbnail).save(temporary)
        write_text(page, render_page(key, image))
        rows += [{"workbook": code, **row} for row in key]
        rater_done()
    return rows


def earlier_sheets(folder: Path) -> list[str]:
    """A sentence about the sheets that an earlier version wrote into a folder itself, beside SEND and KEEP, if any."""
    if not (names := [path.name for path in brought_files(folder) if path.is_file()]):
        return []
    return [
        f"{folder} also has sheets of an earlier version ({', '.join(names)}), which nothing reads there; put filled "
        "ones into the ratings folder, where they are read as before; the others may be deleted"
    ]
