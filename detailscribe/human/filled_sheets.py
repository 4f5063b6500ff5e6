"""Filled rating sheets of all raters: workbooks, and tables downloaded from rating pages."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.human.page import read_ratings_table
from detailscribe.human.ratings import PAIRS_FOLDER, ParsedRatings, no_ratings, unread_files
from detailscribe.human.workbook import read_workbook

READERS = {".xlsx": read_workbook, ".xlsm": read_workbook, ".csv": read_ratings_table}


def read_filled_sheets(files: dict[str, Path], key_of: Callable[[str], list[dict]]) -> dict[str, ParsedRatings]:
    """Content of the raters' files, by rater.

    A file in the same folder that may hold ratings and is not read (of no rater, a rater's second one, of another
    program, in a sub-folder) is a defect under the name "": otherwise it would be silently ignored. Any other file is
    printed.

    Args:
        files: By rater.
        key_of: The key of a code; empty for an unknown code.
    """
    parsed = {rater: READERS[path.suffix.lower()](path, rater, key_of) for rater, path in files.items()}
    defects = []
    for folder in sorted({path.parent for path in files.values()}):
        sheets, others = unread_files(folder, [*files.values(), folder / PAIRS_FOLDER])
        defects += [f"{path}: {_why_unread(path, folder, files)}" for path in sheets]
        print(*(f"{path}: not read, it holds no ratings" for path in others), sep="\n", end="\n" if others else "")
    return parsed | {"": no_ratings(defects)}


def _why_unread(path: Path, folder: Path, files: dict[str, Path]) -> str:
    if path.suffix.lower() not in READERS:
        return f"a {path.suffix} file is not read; save it as .xlsx and keep one file of each rater here"
    if path.parent != folder:
        return f"not read in a folder of its own; move it to {folder} as the file of its rater"
    if path.stem in files:
        return f"{path.stem} has two files here; keep one of them"
    return f"no rater of this name; human: raters has {', '.join(files)}"
