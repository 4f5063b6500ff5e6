"""Filled rating sheets of all raters: workbooks, and tables downloaded from rating pages."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.human.page import read_ratings_table
from detailscribe.human.ratings import ParsedRatings
from detailscribe.human.workbook import read_workbook

READERS = {".xlsx": read_workbook, ".csv": read_ratings_table}


def read_filled_sheets(files: dict[str, Path], key_of: Callable[[str], list[dict]]) -> dict[str, ParsedRatings]:
    """Content of the raters' files, by rater.

    A file in the same folder that belongs to no rater, or is a rater's second one, is a defect under the name "":
    otherwise its ratings would be silently ignored.

    Args:
        files: By rater.
        key_of: The key of a code; empty for an unknown code.
    """
    parsed = {rater: READERS[path.suffix](path, rater, key_of) for rater, path in files.items()}
    folders = {path.parent for path in files.values()}
    present = {path for folder in folders for path in folder.iterdir() if path.suffix in READERS}
    defects = [
        f"{path}: {path.stem} has two files here; keep one of them"
        if path.stem in files
        else f"{path}: no rater of this name; human: raters has {', '.join(files)}"
        for path in sorted(present - set(files.values()))
        if not path.name.startswith("~$")  # the lock of an open workbook
    ]
    return parsed | {"": ParsedRatings([], [], defects)}
