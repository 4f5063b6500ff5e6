"""Workbooks of the released study: parsing of its raters' files.

The released folder holds `{rater}/{sheet}.xlsx` and, at any depth, dictionaries: JSON lines of `original_prompt`,
`topic`, `steps` (image sets in the order that the raters saw) and `image_paths`. The first sheet of a workbook has a
header line, a prompt in column A, and images and ratings in turn from column B.

Source: visualize_by_sheet of results_cleanup_and_preprocess.py in the released code.
"""

import json
from pathlib import Path
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from detailscribe.errors import InputError
from detailscribe.human.ratings import INVALID_RATING, ParsedRatings, merge_ratings
from detailscribe.human.released import IMAGE_SET_NAMES, RELEASED_COLUMNS, SEED
from detailscribe.prompts.prompt_file import prompt_id

FIRST_ROW = 2
FIRST_COLUMN = 3  # column C
SCENARIOS = {"func": "functional_600", "comp": "compositional_200", "multi": "multi_subject_200"}  # by sheet name part


def read_released(folder: str | Path) -> ParsedRatings:
    """Ratings of all raters and sheets, with RELEASED_COLUMNS; defects and missing ratings name file and cell.

    The scenario is the paper's where the sheet's name identifies it, otherwise the sheet's name.

    Raises:
        InputError: no folder is given, or there is no workbook in it.
    """
    if not folder:
        raise InputError("human: released_folder is empty; name the folder with the released study's ratings")
    folder = Path(folder)
    workbooks = sorted(path for path in folder.glob("*/*.xlsx") if not path.name.startswith("~$"))
    if not workbooks:
        raise InputError(f"human: released_folder: no {{rater}}/{{sheet}}.xlsx in {str(folder)!r}; correct the path")
    dictionaries = {path: _read_dictionary(path) for path in sorted(folder.rglob("*.jsonl"))}
    return merge_ratings(_read_workbook(path, dictionaries) for path in workbooks)


def our_image_set(step: str) -> str:
    """Our name of an image set that the released code calls `step`."""
    if step == "original":
        return f"original-{SEED}"
    if step.startswith("abl_"):
        return f"ablation-k{step.removeprefix('abl_')}"
    return f"detailscribe-k{step}" if step.isdigit() else IMAGE_SET_NAMES.get(step, step)


def _read_workbook(path: Path, dictionaries: dict[Path, list[dict]]) -> ParsedRatings:
    try:
        book = load_workbook(path, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as error:
        return ParsedRatings([], [], [f"{path}: cannot be read as a workbook ({error})"])
    sheet = book.worksheets[0]
    prompts = [_one_line(sheet.cell(row, 1).value) for row in range(FIRST_ROW, sheet.max_row + 1)]
    while prompts and not prompts[-1]:
        prompts.pop()
    rows = _matching_rows(path, prompts, dictionaries)
    if rows is None:
        message = "no dictionary (*.jsonl) holds its prompts in their order; put it into the folder"
        return ParsedRatings([], [], [f"{path}: {message}"])
    ratings, missing, defects = [], [], []
    scenario = next((name for part, name in SCENARIOS.items() if part in path.stem.lower()), path.stem)
    for number, row in enumerate(rows, FIRST_ROW):
        for position, step in enumerate(row["steps"]):
            cell = f"{get_column_letter(FIRST_COLUMN + 2 * position)}{number}"
            rating = sheet[cell].value
            location = f"{path}, sheet {sheet.title!r}, cell {cell}"
            if rating is None or not str(rating).strip():
                missing.append(location)
                continue
            # The drop-down of these sheets offers texts; a spreadsheet stores "4" or 4.
            value = str(rating).strip().removesuffix(".0")
            if isinstance(rating, bool) or value not in {"1", "2", "3", "4", "5"}:
                defects.append(f"{location}: {INVALID_RATING.format(rating)}")
                continue
            id = prompt_id(row.get("topic") or "prompt", row["original_prompt"])
            file = row["image_paths"][position] if row.get("image_paths") else ""
            values = (path.parent.name, scenario, id, our_image_set(str(step)), int(value), file)
            ratings.append(dict(zip(RELEASED_COLUMNS, values, strict=True)))
    return ParsedRatings(ratings, missing, defects)


def _matching_rows(path: Path, prompts: list[str], dictionaries: dict[Path, list[dict]]) -> list[dict] | None:
    """The consecutive dictionary rows of a workbook's prompts; a dictionary with the workbook's name goes first."""
    for name in sorted(dictionaries, key=lambda other: other.stem != path.stem):
        texts = [_one_line(row["original_prompt"]) for row in dictionaries[name]]
        for start in range(len(texts) - len(prompts) + 1 if prompts else 0):
            if texts[start : start + len(prompts)] == prompts:
                return dictionaries[name][start : start + len(prompts)]
    return None


def _read_dictionary(path: Path) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg}); download it again") from error
        if isinstance(row, dict) and "original_prompt" in row and "steps" in row:
            rows.append(row)
    return rows


def _one_line(value: object) -> str:
    return " ".join(str(value or "").split())
