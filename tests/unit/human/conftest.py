"""Prompts with images, and a rater's workbook of them, empty and filled; written once, copied for each test."""

import json
import shutil
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image

from detailscribe.human.assignment import assign_images, key_digest
from detailscribe.human.thumbnail import blind_thumbnail
from detailscribe.human.workbook import build_workbook
from detailscribe.images.image_file import save_image
from tests.unit.human.sample_ratings import IMAGE_SETS, TEXTS, rating_of, shown_of


@pytest.fixture(scope="session")
def prompts(tmp_path_factory) -> list[dict]:
    folder, rows = tmp_path_factory.mktemp("images"), []
    metadata = {"key": "k", "prompt": "secret words", "seed": 11}
    for number, text in enumerate(TEXTS):
        files = {}
        for position, name in enumerate(IMAGE_SETS):
            path = folder / f"{name}-{number}.jpg"
            image = Image.new("RGB", (64, 64), (40 * number, 60 * position, 99))
            save_image(image, path, {"format": "jpeg", "quality": 75}, metadata)
            files[name] = str(path)
        rows.append({"id": f"fox-{number}abcdef012", "topic": f"={text}", "prompt": text, "images": files})
    return rows


@pytest.fixture(scope="session")
def keys(prompts) -> dict[str, list[dict]]:
    """The key of rater_1's sheets, by its code."""
    key = assign_images("rater_1", prompts, IMAGE_SETS, 2, 0, shown_of)
    return {key_digest(key): json.loads(json.dumps(key))}


@pytest.fixture(scope="session")
def empty_workbook(keys, tmp_path_factory) -> Path:
    """Do not write to it."""
    path = tmp_path_factory.mktemp("empty") / "rater_1.xlsx"
    (key,) = keys.values()
    build_workbook(key, lambda file: blind_thumbnail(Path(file))).save(path)
    return path


@pytest.fixture(scope="session")
def shared_filled_workbook(keys, empty_workbook, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "rater_1.xlsx"
    book = load_workbook(empty_workbook)
    (key,) = keys.values()
    for row in key:
        book[row["sheet"]][f"{row['column']}{row['row']}"] = rating_of(row)
    book.save(path)
    return path


@pytest.fixture
def filled_workbook(shared_filled_workbook, tmp_path) -> Path:
    """A copy of the filled workbook."""
    return Path(shutil.copy(shared_filled_workbook, tmp_path))
