"""Page of pairs: two images of a prompt to choose between, as one HTML file that works offline.

The page shows neither method nor file name; every image is encoded again in the same way, without metadata, and is in
the page once, however many pairs it is in. The browser stores every choice as it is made; the table that it exports has
one row per pair, and can be imported on another machine.
"""

import base64
from collections.abc import Callable

from detailscribe.human.assignment import key_digest
from detailscribe.human.page import offline_page

TEMPLATE = "pairs/page.html.j2"
PAIR_COLUMNS = ["sheet", "row", "pair", "choice", "strength", "seconds", "comment"]
CHOICES = ("first", "second", "tie", "cannot")
STRENGTHS = ("clearly", "slightly")


def render_pair_page(key: list[dict], image: Callable[[str], bytes], instructions: list[str]) -> str:
    """The HTML of one rater's page of pairs.

    Args:
        key: Rows of `assign_pairs`.
        image: The JPEG bytes to show of a file, equal for files that look the same.
        instructions: Lines of text.
    """
    images: dict[bytes, int] = {}
    pairs: dict[str, dict] = {}
    for row in key:
        if row["pair"] and row["pair"] not in pairs:
            places = [images.setdefault(image(row[f"{side}_file"]), len(images)) for side in ("first", "second")]
            texts = {name: row[name] for name in ("row", "pair", "topic", "prompt")}
            pairs[row["pair"]] = {**texts, "images": places}
    data = {
        **{"sheet": key_digest(key), "rater": key[0]["rater"], "columns": PAIR_COLUMNS},
        **{"choices": list(CHOICES), "strengths": list(STRENGTHS), "pairs": list(pairs.values())},
    }
    encoded = [base64.b64encode(jpeg).decode() for jpeg in images]
    return offline_page(TEMPLATE, {"data": data, "images": encoded, "instructions": instructions})
