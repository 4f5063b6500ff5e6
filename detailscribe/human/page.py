"""Rating page: a rater's sheets as one HTML file that works offline, and the ratings table that it downloads.

The page shows what the workbook shows, in full size, and like it hides where an image came from: every image is encoded
again in the same way, without metadata, and is in the page once. The browser stores every rating as it is given; the
downloaded table has one row per image, and can be imported on another machine.
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
from detailscribe.human.assignment import key_digest, rated_places, same_text
from detailscribe.human.instructions import EXAMPLE_PROMPT, QUESTION, RULES, SCALE
from detailscribe.human.ratings import ParsedRatings, no_ratings

TEMPLATES = Path(__file__).parent
TEMPLATE = "page.html.j2"
MAX_TABLE_BYTES = 64 * 1024**2  # of a table of ratings; 1000 prompts of 9 images have 5
TABLE_COLUMNS = ["workbook", "sheet", "row", "column", "topic", "prompt", "rating", "cannot_judge", "comment"]
OPTIONAL = ("cannot_judge", "comment")  # which earlier pages do not have


def render_page(key: list[dict], image: Callable[[str], bytes]) -> str:
    """The HTML of one rater's page.

    Args:
        key: Rows of `assign_images`.
        image: The JPEG bytes to show of a `file`.
    """
    images: dict[bytes, int] = {}
    prompts = []
    for _, group in groupby(rated_places(key), key=lambda rows: rows[0]["id"]):
        shown = [rows[0] for rows in group]
        sheet, topic, prompt = (shown[0][name] for name in ("sheet", "topic", "prompt"))
        places = [
            {
                **{name: row[name] for name in ("row", "column")},
                "src": images.setdefault(image(row["file"]), len(images)),
            }
            for row in shown
        ]
        prompts.append({"sheet": sheet, "topic": topic, "prompt": prompt, "images": places})
    texts = {"question": QUESTION, "scale": SCALE, "example_prompt": EXAMPLE_PROMPT, "rules": RULES}
    data = {"code": key_digest(key), "rater": key[0]["rater"], "columns": TABLE_COLUMNS, "prompts": prompts}
    encoded = [base64.b64encode(jpeg).decode() for jpeg in images]
    return offline_page(TEMPLATE, {**texts, "data": data, "images": encoded})


def offline_page(template: str, values: dict) -> str:
    """The HTML of a page with one script. Whatever `values` contain, a browser runs exactly this script.

    It fetches nothing, if the template's content security policy says so with `script_digest`.

    Args:
        template: File in TEMPLATES.
        values: Of its variables; `images` are not part of the script.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    page = environment.get_template(template)
    without_images = page.render({**values, "images": [], "script_digest": ""})  # which may be hundreds of megabytes
    script = re.search(r"<script>(.*?)</script>", without_images, re.DOTALL)
    assert script is not None, template
    digest = hashlib.sha256(script[1].encode()).digest()
    return page.render(**values, script_digest=base64.b64encode(digest).decode())


def read_ratings_table(path: Path, rater: str, key_of: Callable[[str], list[dict]]) -> ParsedRatings:
    """Ratings of a table that a page downloaded; arguments as of `read_workbook`. Defects name file and line."""
    required = [[name] for name in TABLE_COLUMNS if name not in OPTIONAL]
    try:
        lines = read_table(path, required, MAX_TABLE_BYTES)
        key = key_of_table(path, {line["workbook"].strip() for _, line in lines}, key_of)
    except InputError as error:
        return no_ratings([str(error)])
    if key[0]["rater"] != rater:
        return no_ratings([f"{path}: this is the page of {key[0]['rater']}, not of {rater}; rename the file"])
    places = {(rows[0]["sheet"], str(rows[0]["row"]), rows[0]["column"]): rows for rows in rated_places(key)}
    parsed, seen = no_ratings(), set()
    for number, line in lines:
        location = f"{path}, line {number}"
        position = line["sheet"].strip(), line["row"].strip(), line["column"].strip()
        if position not in places or position in seen:
            parsed.defects.append(
                f"{location}: the row was changed; sheet, row and column {position} are unknown or repeated"
            )
            continue
        seen.add(position)
        rows = places[position]
        parsed.defects.extend(
            f"{location}: the row was changed; its {name} was {rows[0][name]!r}"
            for name in ("topic", "prompt")
            if not same_text(line[name], rows[0][name])
        )
        parsed.add_answer(rows, location, (line["rating"], line.get("cannot_judge"), line.get("comment")))
    lost = [position for position in places if position not in seen]
    parsed.defects.extend(f"{path}: the line of sheet, row and column {position} is missing" for position in lost)
    return parsed


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
