"""Workbooks of the released study: parsing of its raters' files.

The released folder holds `{rater}/{sheet}.xlsx` and, at any depth, dictionaries: JSON lines of `original_prompt`,
`topic`, `steps` (image sets in the order that the raters saw) and `image_paths`. The first sheet of a workbook has a
header line, a prompt in column A, and images and ratings in turn from column B.

Source: visualize_by_sheet of results_cleanup_and_preprocess.py in the released code.
"""

from pathlib import Path

from openpyxl.utils import get_column_letter

from detailscribe.errors import InputError
from detailscribe.files.brought_files import is_trace
from detailscribe.files.table_reader import json_lines
from detailscribe.human.ratings import (
    FORMULA_ONLY,
    OTHER_SHEETS,
    SPREADSHEETS,
    ParsedRatings,
    invalid_rating,
    is_empty_cell,
    merge_ratings,
    no_ratings,
    parse_rating,
)
from detailscribe.human.released import IMAGE_SET_NAMES, RELEASED_COLUMNS, SEED
from detailscribe.human.workbook_reader import WORKBOOK_SUFFIXES, WorkbookCells
from detailscribe.prompts.prompt_file import prompt_id

FIRST_ROW = 2
FIRST_COLUMN = 3  # column C
MAX_ROWS = 20_000  # of a sheet; the released ones have up to 600
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
    present = [path for path in sorted(folder.rglob("*")) if path.is_file() and not is_trace(path.name)]
    workbooks = [path for path in present if _is_workbook(path, folder)]
    if not workbooks:
        raise InputError(f"human: released_folder: no {{rater}}/{{sheet}}.xlsx in {str(folder)!r}; correct the path")
    dictionaries = {path: _read_dictionary(path) for path in present if path.suffix.lower() == ".jsonl"}
    passed_over = []
    for path in present:
        if path.suffix.lower() in OTHER_SHEETS and path not in workbooks:
            message = f"{path}: not read; ratings are in {{rater}}/{{sheet}}.xlsx below {folder}"
            if path.parent.parent == folder and path.suffix.lower() in SPREADSHEETS:
                passed_over.append(f"{message}: save it as .xlsx, or remove it")
            else:
                print(message)
    parsed = [_read_workbook(path, dictionaries) for path in workbooks]
    return merge_ratings([*parsed, no_ratings(passed_over)])


def our_image_set(step: str) -> str:
    """Our name of an image set that the released code calls `step`."""
    if step == "original":
        return f"original-{SEED}"
    if step.startswith("abl_"):
        return f"ablation-k{step.removeprefix('abl_')}"
    return f"detailscribe-k{step}" if step.isdigit() else IMAGE_SET_NAMES.get(step, step)


def _is_workbook(path: Path, folder: Path) -> bool:
    return path.suffix.lower() in WORKBOOK_SUFFIXES and path.parent.parent == folder


def _read_workbook(path: Path, dictionaries: dict[Path, list[dict]]) -> ParsedRatings:
    try:
        with WorkbookCells(path) as book:
            return _ratings_of(book, dictionaries)
    except InputError as error:
        return no_ratings([str(error)])


def _ratings_of(book: WorkbookCells, dictionaries: dict[Path, list[dict]]) -> ParsedRatings:
    path = book.path
    if not book.names:
        return no_ratings([f"{path}: holds no sheet with cells"])
    sheet = book.names[0]
    most = max((len(row["steps"]) for rows in dictionaries.values() for row in rows), default=0)
    size = MAX_ROWS, FIRST_COLUMN + 2 * most
    cells = book.values(sheet, *size)
    prompts = [_one_line(line[0]) for line in cells[FIRST_ROW - 1 :]]
    while prompts and not prompts[-1]:
        prompts.pop()
    rows = _matching_rows(path, prompts, dictionaries)
    if rows is None:
        message = "no dictionary (*.jsonl) holds its prompts in their order; put it into the folder"
        return no_ratings([f"{path}: {message}"])
    formulas: set[tuple[int, int]] | None = None
    ratings, missing, defects = [], [], []
    scenario = next((name for part, name in SCENARIOS.items() if part in path.stem.lower()), path.stem)
    for number, row in enumerate(rows, FIRST_ROW):
        for position, step in enumerate(row["steps"]):
            column = FIRST_COLUMN + 2 * position
            value = cells[number - 1][column - 1]
            location = f"{path}, sheet {sheet!r}, cell {get_column_letter(column)}{number}"
            if is_empty_cell(value):
                formulas = book.formulas(sheet, *size) if formulas is None else formulas
                if (number, column) in formulas:
                    defects.append(f"{location}: {FORMULA_ONLY}")
                else:
                    missing.append(location)
                continue
            if (rating := parse_rating(value)) is None:
                defects.append(f"{location}: {invalid_rating(value)}")
                continue
            id = prompt_id(row.get("topic") or "prompt", row["original_prompt"])
            file = row["image_paths"][position] if row.get("image_paths") else ""
            values = (path.parent.name, scenario, id, our_image_set(str(step)), rating, file)
            ratings.append(dict(zip(RELEASED_COLUMNS, values, strict=True)))
    return ParsedRatings(ratings, missing, defects, [])


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
    for number, row in json_lines(path):
        if isinstance(row, dict) and "original_prompt" in row and "steps" in row:
            steps, files, topic = row["steps"], row.get("image_paths") or [], row.get("topic") or ""
            valid = isinstance(row["original_prompt"], str) and isinstance(topic, str) and isinstance(steps, list)
            if not (valid and isinstance(files, list) and (not files or len(files) >= len(steps))):
                raise InputError(
                    f"{path}, line {number}: needs the texts original_prompt and topic, and the lists steps and "
                    "image_paths of one length; download it again"
                )
            rows.append(row)
    return rows


def _one_line(value: object) -> str:
    return " ".join(str(value or "").split())
