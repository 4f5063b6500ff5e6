"""The rating page: a rater's whole task in one HTML file that opens offline, and reading back what it exports.

The page shows what the workbook shows and knows no more of where an image came from. It keeps every mark in the
browser's storage as it is given, and exports a table with one row an image.
"""

import base64
import csv
import hashlib
import io
import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import jinja2

from detailscribe.human.assignment import key_digest

TEMPLATE = Path(__file__).parent / "rating_page.html.j2"
COLUMNS = ["workbook", "sheet", "row", "column", "topic", "prompt", "rating"]


def page(key: list[dict], thumbnail: Callable[[str], bytes], instructions: list[str]) -> str:
    """The page of one rater.

    Args:
        key: Rows of `human.lay_out`.
        thumbnail: The JPEG bytes of the small image of a `file`.
        instructions: Lines of text.
    """
    code = key_digest(key)
    prompts = []
    for (sheet, row), images in groupby(key, key=lambda image: (image["sheet"], image["row"])):
        images = list(images)
        shown = [
            {"column": image["column"], "src": "data:image/jpeg;base64," + base64.b64encode(data).decode()}
            for image in images
            for data in [thumbnail(image["file"])]
        ]
        texts = {name: images[0][name] for name in ("topic", "prompt")}
        prompts.append({"sheet": sheet, "row": row, **texts, "images": shown})
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    data = {"code": code, "columns": COLUMNS, "prompts": prompts}
    values = {"rater": key[0]["rater"], "instructions": instructions, "data": data}
    script = re.search(r"<script>(.*?)</script>", template.render(**values, script_digest=""), re.DOTALL)[1]
    # Nothing but this very script runs, and nothing is fetched, whatever a prompt holds.
    return template.render(**values, script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())


def read_export(path: Path, rater: str, key_of: Callable[[str], list[dict]]) -> tuple[list[dict], list[str], list[str]]:
    """The marks in an exported table, as `workbooks.read_workbook` returns them; defects name file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return [], [], [f"{path}: not a table that can be read ({error}); export it again"]
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in head else ",")
    if reader.fieldnames != COLUMNS:
        wanted = ", ".join(COLUMNS)
        return [], [], [f"{path}, line 1: the columns were moved or changed, got {head!r}; they must be {wanted}"]
    lines = [(f"{path}, line {reader.line_num}", line) for line in reader]
    codes = {line["workbook"] for _, line in lines}
    if len(codes) != 1:
        return [], [], [f"{path}: needs the marks of one page, got the codes {sorted(map(str, codes))}"]
    (code,) = codes
    key = key_of(code)
    if not key:
        return [], [], [f"{path}: no page of the code {code!r} was made here; put the code back, or its key"]
    if key[0]["rater"] != rater:
        return [], [], [f"{path}: this is the page of {key[0]['rater']}, not of {rater}; rename the file"]
    wanted = {(row["sheet"], str(row["row"]), row["column"]): row for row in key}
    ratings, missing, defects = [], [], []
    seen = set()
    for place, line in lines:
        spot = line["sheet"], line["row"], line["column"]
        row = wanted.get(spot)
        if row is None or None in line or spot in seen:
            defects.append(f"{place}: the row was changed; sheet, row and column {spot} are not a line of their own")
            continue
        seen.add(spot)
        rating = (line["rating"] or "").strip()
        for name in ("topic", "prompt"):
            if line[name] != row[name]:
                defects.append(f"{place}: the row was changed; its {name} was {row[name]!r}")
        if not rating:
            missing.append(place)
        elif rating not in {"1", "2", "3", "4", "5"}:
            defects.append(f"{place}: a rating is a whole number from 1 to 5, got {rating!r}")
        else:
            kept = {name: row[name] for name in ("rater", "id", "image_set", "file")}
            ratings.append({**kept, "rating": int(rating)})
    gone = [f"{path}: the line of sheet, row and column {spot} is gone" for spot in wanted if spot not in seen]
    return ratings, missing, defects + gone
