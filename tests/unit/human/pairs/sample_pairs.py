"""Prompts, methods and keys of the tests of pairs, and the tables that their pages export."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from detailscribe.human.assignment import key_digest
from detailscribe.human.pairs.page import PAIR_COLUMNS
from detailscribe.images.image_file import save_image

HOSTILE = '</script><script>window.broken = 1</script><img src="https://example.org/x" onerror="window.broken = 1">'
TEXTS = ["A fox rides a bicycle.", HOSTILE, "=1+1 geese, “quoted”"]
CANDIDATES = {"plain_one": ["original-11"], "twin_two": ["twin"], "ours_three": ["ours-k0", "ours-k1"]}
VALUES = {
    "methods": [{"name": name, "candidates": names} for name, names in CANDIDATES.items()],
    **{"by": "clip_score", "schedule": {"kind": "all"}, "prompts": 50, "seed": 0, "raters": ["ann", "bo"]},
}
SIZE_PX = 96


def dictionary_in(folder: Path) -> list[dict]:
    """Rows of a dictionary with images; the twin is the plain image in the first prompt, with other metadata."""
    rows = []
    for number, text in enumerate(TEXTS):
        files = {}
        for place, name in enumerate([name for names in CANDIDATES.values() for name in names]):
            path = folder / f"{name}-{number}.png"
            seen = 0 if (name, number) == ("twin", 0) else place
            image = Image.new("RGB", (SIZE_PX, SIZE_PX), (80 * number, 70 * seen, 120))
            image.putpixel((0, 0), (255, 255, 255))
            save_image(image, path, {"format": "png"}, {"key": name, "prompt": "secret words"})
            files[name] = str(path)
        rows.append({"id": f"p-{number}", "topic": "topic", "prompt": text, "images": files})
    return rows


def scores_of(rows: list[dict]) -> list[dict]:
    """Scores that select ours-k1."""
    found = {"ours-k0": 0.1, "ours-k1": 0.2}
    return [{"id": row["id"], "image_set": name, "score": score} for row in rows for name, score in found.items()]


def shown_pairs(key: list[dict]) -> list[dict]:
    """One row per pair of a key that is shown, in its order."""
    return list({row["pair"]: row for row in reversed(key) if row["pair"]}.values())[::-1]


def exported(key: list[dict], answer: Callable[[dict], dict], code: str = "") -> str:
    """What the page exports for the answers that `answer(row)` gives."""
    text = io.StringIO()
    writer = csv.DictWriter(text, PAIR_COLUMNS, quoting=csv.QUOTE_ALL, restval="")
    writer.writeheader()
    for row in shown_pairs(key):
        writer.writerow({"sheet": code or key_digest(key), "row": row["row"], "pair": row["pair"], **answer(row)})
    return text.getvalue()
