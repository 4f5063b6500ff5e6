"""The released study's human ratings, read as they are.

A folder as its authors offer it: `{rater}/{sheet}.xlsx`, and anywhere below it the dictionaries, JSON lines of
`original_prompt`, `topic`, `steps` (image sets in the order that the raters saw) and `image_paths`. A workbook's first
sheet has a heading line, a prompt in column A, and image and mark in turn from column B.

Source: visualize_by_sheet and stats_one_sheet of results_cleanup_and_preprocess.py in the released code.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from detailscribe.errors import InputError
from detailscribe.prompts.prompt_file import prompt_id

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROW = 2
FIRST_MARK = 3  # column C
# What the released code calls an image set; the first image has the seed in its name here.
NAMES = {"gpt_rewrite": "gpt_rewrite", "gpt_refine": "gpt_refine", "dalle3": "hosted", "multi_seed": "multi_seed"}
SEED = 2628670643
HALF_A_DIGIT = 0.0005 + 1e-9  # of a mean printed with three decimals
PAPER = {"func": "functional_600", "comp": "compositional_200", "multi": "multi_subject_200"}  # by a part of the name
KEPT = ("rater", "scenario", "id", "image_set", "rating", "file")


def read_released(folder: Path) -> tuple[list[dict], list[str], list[str]]:
    """The marks of all raters and sheets.

    Returns:
        Rows with KEPT, the cells without a mark, and the defects; each names file and cell. The scenario is the paper's
        where the sheet's name tells it, else the sheet's name.

    Raises:
        InputError: there is no workbook below the folder.
    """
    workbooks = sorted(path for path in folder.glob("*/*.xlsx") if not path.name.startswith("~$"))
    if not workbooks:
        raise InputError(f"human: released_folder: no {{rater}}/{{sheet}}.xlsx in {str(folder)!r}; correct the path")
    dictionaries = {path: _rows(path) for path in sorted(folder.rglob("*.jsonl"))}
    ratings, missing, defects = [], [], []
    for path in workbooks:
        for found, part in zip((ratings, missing, defects), _read(path, dictionaries), strict=True):
            found.extend(part)
    return ratings, missing, defects


def image_set_of(step: str) -> str:
    """Our name of an image set that the released code calls `step`."""
    if step == "original":
        return f"original-{SEED}"
    if step.startswith("abl_"):
        return f"ablation-k{step.removeprefix('abl_')}"
    return f"detailscribe-k{step}" if step.isdigit() else NAMES.get(step, step)


def _read(path: Path, dictionaries: dict[Path, list[dict]]) -> tuple[list[dict], list[str], list[str]]:
    try:
        book = load_workbook(path, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as error:
        return [], [], [f"{path}: not a workbook that can be read ({error})"]
    sheet = book.worksheets[0]
    prompts = [_text(sheet.cell(row, 1).value) for row in range(FIRST_ROW, sheet.max_row + 1)]
    while prompts and not prompts[-1]:
        prompts.pop()
    rows = _dictionary_of(path, prompts, dictionaries)
    if rows is None:
        return [], [], [f"{path}: no dictionary (*.jsonl) holds its prompts in their order; put it into the folder"]
    ratings, missing, defects = [], [], []
    scenario = next((name for part, name in PAPER.items() if part in path.stem.lower()), path.stem)
    for number, row in enumerate(rows, FIRST_ROW):
        for place, step in enumerate(row["steps"]):
            cell = f"{get_column_letter(FIRST_MARK + 2 * place)}{number}"
            mark = sheet[cell].value
            where = f"{path}, sheet {sheet.title!r}, cell {cell}"
            if mark is None or not str(mark).strip():
                missing.append(where)
                continue
            # Their drop-down offers texts; a spreadsheet keeps "4" or 4.
            value = str(mark).strip().removesuffix(".0")
            if isinstance(mark, bool) or value not in {"1", "2", "3", "4", "5"}:
                defects.append(f"{where}: a rating is a whole number from 1 to 5, got {mark!r}")
                continue
            id = prompt_id(row.get("topic") or "prompt", row["original_prompt"])
            file = row["image_paths"][place] if row.get("image_paths") else ""
            values = (path.parent.name, scenario, id, image_set_of(str(step)), int(value), file)
            ratings.append(dict(zip(KEPT, values, strict=True)))
    return ratings, missing, defects


def _dictionary_of(path: Path, prompts: list[str], dictionaries: dict[Path, list[dict]]) -> list[dict] | None:
    """The rows that a workbook's lines are of: all or a run of those of a dictionary, one with its name first."""
    for name in sorted(dictionaries, key=lambda other: other.stem != path.stem):
        texts = [_text(row["original_prompt"]) for row in dictionaries[name]]
        for start in range(len(texts) - len(prompts) + 1 if prompts else 0):
            if texts[start : start + len(prompts)] == prompts:
                return dictionaries[name][start : start + len(prompts)]
    return None


def _rows(path: Path) -> list[dict]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg}); download it again") from error
        if isinstance(row, dict) and "original_prompt" in row and "steps" in row:
            rows.append(row)
    return rows


def _text(value) -> str:
    return " ".join(str(value or "").split())


def methods_of(ratings: list[dict]) -> list[dict]:
    """The paper's rows, name and candidates, as far as their images were rated."""
    rated_methods = {row["image_set"] for row in ratings}
    rows = {"sd": [f"original-{SEED}"], **{name: [name] for name in NAMES.values()}}
    rows |= {critic: [f"{critic}-k{k}" for k in (0, 1, 2, 4)] for critic in ("detailscribe", "ablation")}
    return [{"name": name, "candidates": sets} for name, sets in rows.items() if set(sets) <= rated_methods]


def compare_exactly(table: "pd.DataFrame", published: list[dict]) -> list[dict]:
    """The paper's human means beside those computed from its ratings: reproduced where they agree to three decimals.

    Args:
        table: Rows scenario, method, headline, mean.
        published: Rows of `published.read_published`.
    """
    ours = {(row.scenario, row.method): row.mean for row in table[table["headline"]].itertuples()}
    rows = []
    for value in published:
        if value["metric"] == "human":
            mean = ours.get((value["scenario"], value["method"]))
            equal = mean is not None and abs(mean - value["value"]) <= HALF_A_DIGIT
            verdict = "not testable" if mean is None else "reproduced" if equal else "not reproduced"
            kept = {name: value[name] for name in ("scenario", "method", "metric")}
            reason = "no rating of it in the folder" if mean is None else ""
            rows.append({**kept, "published": value["value"], "ours": mean, "verdict": verdict, "reason": reason})
    return rows
