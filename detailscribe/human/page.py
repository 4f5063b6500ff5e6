"""Rating page: a rater's sheets as one HTML file that works offline, and the ratings table that it downloads.

The page shows what the workbook shows, and like it hides where an image came from. The browser stores every rating as
it is given; the downloaded table has one row per image.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import jinja2

from detailscribe.errors import InputError
from detailscribe.files.table_reader import read_table
from detailscribe.human.assignment import key_digest, same_text
from detailscribe.human.ratings import ParsedRatings, invalid_rating, is_empty_cell, parse_rating

TEMPLATE = Path(__file__).parent / "page.html.j2"
MAX_TABLE_BYTES = 64 * 1024**2  # of a table of ratings; 1000 prompts of 9 images have 5
TABLE_COLUMNS = ["workbook", "sheet", "row", "column", "topic", "prompt", "rating"]


def render_page(key: list[dict], thumbnail: Callable[[str], bytes], instructions: list[str]) -> str:
    """The HTML of one rater's page.

    Args:
        key: Rows of `assign_images`.
        thumbnail: The JPEG bytes of the thumbnail of a `file`.
        instructions: Lines of text.
    """
    prompts = []
    for (sheet, row), group in groupby(key, key=lambda image: (image["sheet"], image["row"])):
        images = list(group)
        embedded = [{"column": image["column"], "src": _data_url(thumbnail(image["file"]))} for image in images]
        texts = {name: images[0][name] for name in ("topic", "prompt")}
        prompts.append({"sheet": sheet, "row": row, **texts, "images": embedded})
    data = {"code": key_digest(key), "columns": TABLE_COLUMNS, "prompts": prompts}
    return offline_page(TEMPLATE, {"rater": key[0]["rater"], "instructions": instructions, "data": data})


def offline_page(template: Path, values: dict) -> str:
    """The HTML of a page with one script. Whatever `values` contain, a browser runs exactly this script.

    It fetches nothing, if the template's content security policy says so with `script_digest`.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(template.read_text(encoding="utf-8"))
    script = re.search(r"<script>(.*?)</script>", page.render(**values, script_digest=""), re.DOTALL)
    assert script is not None, template
    digest = hashlib.sha256(script[1].encode()).digest()
    return page.render(**values, script_digest=base64.b64encode(digest).decode())


def read_ratings_table(path: Path, rater: str, key_of: Callable[[str], list[dict]]) -> ParsedRatings:
    """Ratings of a table that a page downloaded; arguments as of `read_workbook`. Defects name file and line."""
    try:
        lines = read_table(path, [[name] for name in TABLE_COLUMNS], MAX_TABLE_BYTES)
    except InputError as error:
        return ParsedRatings([], [], [str(error)])
    try:
        key = key_of_table(path, {line["workbook"].strip() for _, line in lines}, key_of)
    except InputError as error:
        return ParsedRatings([], [], [str(error)])
    if key[0]["rater"] != rater:
        return ParsedRatings(
            [], [], [f"{path}: this is the page of {key[0]['rater']}, not of {rater}; rename the file"]
        )
    expected = {(row["sheet"], str(row["row"]), row["column"]): row for row in key}
    ratings, missing, defects = [], [], []
    seen = set()
    for number, line in lines:
        location = f"{path}, line {number}"
        position = line["sheet"].strip(), line["row"].strip(), line["column"].strip()
        row = expected.get(position)
        if row is None or position in seen:
            defects.append(f"{location}: the row was changed; sheet, row and column {position} are unknown or repeated")
            continue
        seen.add(position)
        defects += [
            f"{location}: the row was changed; its {name} was {row[name]!r}"
            for name in ("topic", "prompt")
            if not same_text(line[name], row[name])
        ]
        if is_empty_cell(line["rating"]):
            missing.append(location)
        elif (rating := parse_rating(line["rating"])) is None:
            defects.append(f"{location}: {invalid_rating(line['rating'])}")
        else:
            kept = {name: row[name] for name in ("rater", "id", "image_set", "file")}
            ratings.append({**kept, "rating": rating})
    lost = [position for position in expected if position not in seen]
    defects += [f"{path}: the line of sheet, row and column {position} is missing" for position in lost]
    return ParsedRatings(ratings, missing, defects)


def key_of_table(path: Path, codes: set[str], key_of: Callable[[str], list[dict]]) -> list[dict]:
    """The key of the page that a table was exported from.

    Args:
        path: The table.
        codes: All codes that it holds.
        key_of: The key of a code; empty for an unknown code.

    Raises:
        InputError: several codes, none, or one that is not known; names the file.
    """
    if len(codes) != 1:
        raise InputError(f"{path}: must hold the ratings of one page, got the codes {sorted(map(str, codes))}")
    (code,) = codes
    if key := key_of(code):
        return key
    raise InputError(f"{path}: no page with the code {code!r} was written here; restore the code, or its key file")


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
