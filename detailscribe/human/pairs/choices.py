"""Choices between pairs of images, read from the tables that pages of pairs exported.

A table names its page by a code, so its file may have any name. Every line is checked; a defect names file and line.
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from detailscribe.errors import InputError
from detailscribe.files.table_reader import read_table
from detailscribe.human.page import MAX_TABLE_BYTES, key_of_table
from detailscribe.human.pairs.page import CHOICES, PAIR_COLUMNS, STRENGTHS
from detailscribe.human.ratings import comment_text, unread_files

FIRST, SECOND, TIE, CANNOT = CHOICES
IDENTICAL = "identical"  # choice of a pair that nobody was shown: both methods have the same image
OPTIONAL = ("seconds", "comment")
SIZES = {"clearly": 1.0, "slightly": 0.5}
SECONDS = re.compile(r"[0-9]{1,7}([.,][0-9]{0,9})?")


class ParsedChoices(NamedTuple):
    """Content of one or several tables.

    Attributes:
        choices: Rows rater, id, pair, first, second, first_image_set, second_image_set, first_file, second_file,
            choice, strength, value, seconds, comment, file. One per pair of methods; `value` is in [-1, 1], positive if
            the first is better, None where the rater could not judge.
        missing: Lines without a choice.
        defects: Errors, each with its file and line.
    """

    choices: list[dict]
    missing: list[str]
    defects: list[str]


def read_choices(
    folder: Path, files: Collection[Path], raters: Collection[str], key_of: Callable[[str], list[dict]]
) -> dict[str, ParsedChoices]:
    """Choices of all raters, by rater; under "" the defects that belong to none.

    Two tables of one rater, and any other file in the folder that may hold choices, are defects: otherwise one of them
    would be silently ignored.

    Args:
        folder: Of the exported tables.
        files: Tables in it.
        raters: Names in the configuration.
        key_of: The key of a page's code; empty for an unknown code.

    Raises:
        InputError: there is no table.
    """
    if not files:
        raise InputError(
            f"{folder} has no table of choices: put there what the raters downloaded from their pages of pairs "
            f"(RATER.pairs.csv), and run again"
        )
    parsed, defects, tables = {}, list[str](), dict[str, list[Path]]()
    for path in files:
        try:
            lines, key = _lines_and_key(path, key_of)
        except InputError as error:
            defects.append(str(error))
            continue
        rater = key[0]["rater"]
        tables.setdefault(rater, []).append(path)
        if rater not in raters:
            defects.append(
                f"{path}: choices of {rater}, who is none of the raters ({', '.join(raters)}); name the rater in "
                "human: pairs: raters, or move the file elsewhere"
            )
        else:
            parsed[rater] = _parsed(path, lines, key)
    for rater, paths in tables.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            defects.append(f"{folder}: {rater} has {len(paths)} tables here ({names}); keep the one that counts")
    for path in unread_files(folder, files)[0]:
        defects.append(f"{path}: not read; save it as .csv, in {folder} itself, or move it elsewhere")
    return parsed | {"": ParsedChoices([], [], defects)}


def _lines_and_key(path: Path, key_of: Callable[[str], list[dict]]) -> tuple[list[tuple[int, dict]], list[dict]]:
    required = [[name] for name in PAIR_COLUMNS if name not in OPTIONAL]
    lines = read_table(path, required, MAX_TABLE_BYTES)
    return lines, key_of_table(path, {line["sheet"].strip() for _, line in lines}, key_of)


def _parsed(path: Path, lines: list[tuple[int, dict]], key: list[dict]) -> ParsedChoices:
    """The content of one table."""
    compared: dict[str, list[dict]] = {}
    for row in key:
        if row["pair"]:
            compared.setdefault(row["pair"], []).append(row)
    parsed, seen, prompts = ParsedChoices([], [], []), set[str](), set[str]()
    for number, line in lines:
        location, code = f"{path}, line {number}", line["pair"].strip()
        if code not in compared or code in seen:
            parsed.defects.append(f"{location}: the row was changed; the pair {code!r:.100} is unknown or repeated")
            continue
        seen.add(code)
        rows = compared[code]
        if not re.fullmatch(rf"{rows[0]['row']}([.,]0*)?", line["row"].strip()):
            parsed.defects.append(f"{location}: the row was changed; its row was {rows[0]['row']}, with pair {code}")
            continue
        try:
            answer = _answer(line)
        except ValueError as error:
            parsed.defects.append(f"{location}: {error}")
            continue
        if not answer["choice"]:
            comment = f", but the comment {answer['comment']!r:.300}" if answer["comment"] else ""
            parsed.missing.append(f"{location}: no choice{comment}")
            continue
        prompts.add(rows[0]["id"])
        parsed.choices.extend(_choice_row(row, answer, path) for row in rows)
    for code, rows in compared.items():
        if code not in seen:
            parsed.defects.append(f"{path}: the line of row {rows[0]['row']}, pair {code} is missing")
    # A prompt whose every pair has one image is judged without a look at it, another one if its pairs are.
    shown = {row["id"] for row in key if row["pair"]}
    tied = {"choice": IDENTICAL, "strength": "", "value": 0.0, "seconds": None, "comment": ""}
    same = [row for row in key if not row["pair"] and (row["id"] in prompts or row["id"] not in shown)]
    parsed.choices.extend(_choice_row(row, tied, path) for row in same)
    return parsed


def _choice_row(row: dict, answer: dict, path: Path) -> dict:
    names = ("rater", "id", "pair", "first", "second")
    images = (f"{side}_{kind}" for kind in ("image_set", "file") for side in ("first", "second"))
    return {**{name: row[name] for name in (*names, *images)}, **answer, "file": str(path)}


def _answer(line: dict) -> dict:
    """choice, strength, value, seconds and comment of a line.

    Raises:
        ValueError: a cell cannot be read; the message says what belongs there.
    """
    choice, strength, seconds = (_folded(line.get(name, "")) for name in ("choice", "strength", "seconds"))
    if choice not in ("", *CHOICES):
        raise ValueError(f"a choice is {', '.join(CHOICES)} or nothing, got {choice!r:.100}")
    if choice in (FIRST, SECOND):
        if strength not in STRENGTHS:
            got = f"got {strength!r:.100}" if strength else "the cell is empty"
            raise ValueError(f"the strength of a choice is {' or '.join(STRENGTHS)}, {got}")
    elif strength:
        raise ValueError(f"only first and second have a strength, got {strength!r:.100}; empty the cell or correct it")
    if seconds and not SECONDS.fullmatch(seconds):
        raise ValueError(f"seconds are a number from 0, got {seconds!r:.100}; correct the cell or empty it")
    signs = {FIRST: 1.0, SECOND: -1.0, TIE: 0.0}
    return {
        "choice": choice,
        "strength": strength,
        "value": signs[choice] * SIZES.get(strength, 0.0) if choice in signs else None,
        "seconds": float(seconds.replace(",", ".")) if seconds else None,
        "comment": comment_text(line.get("comment")),
    }


def _folded(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell[:200]).strip().casefold()
