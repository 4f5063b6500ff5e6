"""Tables and figures of a capsule: cells by known words, raters by codes, comments of people left out."""

import csv
import io
import re
from collections.abc import Mapping

from detailscribe.capsule.layout import WITHHELD
from detailscribe.capsule.shown.private_texts import private_part
from detailscribe.capsule.shown.words import Words
from detailscribe.images.image_file import IMAGE_FILE

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_.:@-]{0,99}")
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
DIGEST = re.compile(r"[0-9a-f]{16,64}")
COMMENTS = {"comment"}  # columns of what raters write: they go out empty
SOURCES = {"file"}  # columns of the file that a rater sent: they hold the rater's name
RATER = "rater"
MADE_BY = re.compile(r"Matplotlib v[\d.]+, https://matplotlib\.org/")  # what matplotlib writes into each figure
COLUMNS_OF_LATEX = re.compile(r"(?<=\\begin\{tabular\})\{[lrc]+\}")
SVG_TAG = re.compile(r"<[^>]*>")
TEXT_WORD = re.compile(r"[^\W\d]\w*(?:[-.:][\w]+)*")


def shown_table(data: bytes, delimiter: str, words: Words) -> bytes:
    """A table that the pipeline wrote, with `[withheld]` in place of words that are not known.

    Raises:
        ValueError: a heading is no name of a column.
    """
    known: dict[str, str] = {"": ""}

    def shown(cell: str) -> str:
        if cell not in known:
            is_plain = NUMBER.fullmatch(cell) or DIGEST.fullmatch(cell) or IMAGE_FILE.fullmatch(cell)
            known[cell] = cell if is_plain else words.clean(cell)
        return known[cell]

    if delimiter == "\t":
        lines = [[shown(cell) for cell in line.split("\t")] for line in data.decode().splitlines()]
        _check_columns(data.decode().partition("\n")[0].split("\t"))
        text = "".join("\t".join(line) + "\n" for line in lines)
    else:
        header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
        _check_columns(header)
        text = _csv([header, *([shown(cell) for cell in row] for row in rows)])
    return text.encode()


def shown_marks(data: bytes, raters: Mapping[str, str], words: Words) -> bytes:
    """A table of people's marks: a code in place of each rater's name, no comments, no names of files they sent.

    Args:
        data: CSV.
        raters: Code by name.
        words: That other cells keep.

    Raises:
        ValueError: a heading is no name of a column.
    """
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    _check_columns(header)
    shown = []
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        for column, cell in cells.items():
            if column == RATER:
                cells[column] = raters.get(cell, WITHHELD)
            elif column in COMMENTS:
                cells[column] = ""
            elif column in SOURCES and not IMAGE_FILE.fullmatch(cell):
                cells[column] = f"{raters[cells[RATER]]}.csv" if cells.get(RATER) in raters else ""
            elif not (NUMBER.fullmatch(cell) or DIGEST.fullmatch(cell) or IMAGE_FILE.fullmatch(cell)):
                cells[column] = raters.get(cell) or words.clean(cell)
        shown.append(list(cells.values()))
    return _csv([header, *shown]).encode()


def text_problem(text: str, words: Words) -> str:
    """Why a table as Markdown or LaTeX, or the texts of a figure, cannot be part of a capsule; empty if they can."""
    if found := private_part(text):
        return f"it holds {found}"
    plain = COLUMNS_OF_LATEX.sub("", MADE_BY.sub("", text)).replace("\\_", "_")
    unknown = next((word for word in dict.fromkeys(TEXT_WORD.findall(plain)) if words.unknown(word)), "")
    return "it holds a word that neither the code nor the study says" if unknown else ""


def svg_problem(data: bytes, words: Words) -> str:
    """Why a figure as SVG cannot be part of a capsule; empty if it can. Comments and the description count as text."""
    text = data.decode("utf-8", "replace")
    if found := private_part(text):
        return f"it holds {found}"
    body = text[text.find("<svg") :]
    comments = re.findall(r"<!--(.*?)-->", text, re.DOTALL)
    styles = re.sub(r"<style.*?</style>", " ", re.sub(r"<!--.*?-->", " ", body, flags=re.DOTALL), flags=re.DOTALL)
    shown = " ".join([*comments, SVG_TAG.sub(" ", styles)])
    return text_problem(shown.replace("&amp;", "&"), words)


def _check_columns(header: list[str]) -> None:
    if wrong := next((name for name in header if not COLUMN.fullmatch(name)), ""):
        raise ValueError(f"{wrong[:80]!r} is no name of a column")


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
