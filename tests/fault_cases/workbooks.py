"""Filled rating workbooks and rating tables: cells as people and programs write them, members and bytes damaged."""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from openpyxl import load_workbook
from PIL import Image

from detailscribe.human.assignment import assign_images, key_digest
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.thumbnail import blind_thumbnail
from detailscribe.human.workbook import build_workbook
from detailscribe.images.image_file import save_image
from tests.fault_cases.kind import Case, Kind, require
from tests.fault_cases.mutation import damaged, flipped

RATER = "rater_1"
SETS = ["original-11", "detailscribe-k0"]
TEXTS = ["=1+1 foxes", "A goat paints a fence.", "Two\nlines \ufffe and a mark"]
SAME = [lambda n: n, str, float, lambda n: f" {n} ", lambda n: f"{n}.0", lambda n: f"{n}\n"]  # the same rating
SETTLED = [None, None, None, "no", "a finger too many", "'=1"]  # beside a rating: nothing that changes it
WRONG = ["6", 0, -1, 3.5, "three", "3,5", True, "=A1", "nan", 1e300, "3 4", "x" * 30_000]


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """A rater's workbook, and the case."""
    prompts = []
    for number, text in enumerate(TEXTS):
        files = {}
        for position, name in enumerate(SETS):
            files[name] = str(folder / f"{name}-{number}.jpg")
            image = Image.linear_gradient("L").resize((32, 32)).rotate(90 * position)
            save_image(image, Path(files[name]), {"format": "jpeg", "quality": 75}, {})
        prompts.append({"id": f"fox-{number}abcdef012", "topic": text, "prompt": text, "images": files})
    key = json.loads(json.dumps(assign_images(RATER, prompts, SETS, 2, 0, str)))
    book = folder / f"{RATER}.xlsx"
    build_workbook(key, lambda file: blind_thumbnail(Path(file))).save(book)
    code = key_digest(key)

    def case(number: int, random: Random, own: Path) -> None:
        ratings = {cell(row): random.randrange(1, 6) for row in key}
        path, certain = own / f"{RATER}.xlsx", random.random() < 0.4
        if certain:
            path.write_bytes(filled(book, ratings, random, random.choice(SAME)))
        else:
            spoil(path, filled(book, ratings, random, str), random)
        others = random.choice(["", f"{RATER}.ods", f"{RATER}.xlsm", "rater_9.xlsx", f"{RATER}.numbers", "Notes.CSV"])
        if others:
            (own / others).write_bytes(random.choice([b"", b"PK\x03\x04", b"a;b\n"]))
        parsed = read_filled_sheets({RATER: path}, lambda given: key if given == code else [])
        part, folder_part = parsed[RATER], parsed[""]
        require(
            not others or any(others in text for text in folder_part.defects), f"{others} is passed over in silence"
        )
        for text in (*part.defects, *part.missing):
            require(path.name in text, f"no file in {text[:200]!r}")
            require("\n" not in text and len(text) < 1000, f"message {text[:300]!r}")
        read = {(row["id"], row["image_set"]): row["rating"] for row in part.ratings}
        right = {(row["id"], row["image_set"]): ratings[cell(row)] for row in key}
        if certain:
            require(not part.defects and not part.missing, f"defects {part.defects[:1]}{part.missing[:1]}")
            require(read == right, "ratings are lost")
        wrong = {name: value for name, value in read.items() if right[name] != value}
        require(not wrong or part.defects or certain is False, f"other ratings than the rater's: {wrong}")
        complete = len(read) == len(right) or part.defects or part.missing
        require(complete, "ratings are lost without a word")

    yield case


def cell(row: dict) -> tuple[str, str]:
    """Sheet and cell of a key's row."""
    return row["sheet"], f"{row['column']}{row['row']}"


def filled(book: Path, ratings: dict[tuple[str, str], int], random: Random, write: Callable) -> bytes:
    """The workbook with ratings, each as `write` gives it."""
    workbook = load_workbook(book)
    for (sheet, position), rating in ratings.items():
        cell = workbook[sheet][position]
        cell.value = write(rating)
        beside = random.choice(SETTLED)
        cell.offset(column=1 if beside == "no" else 2).value = beside
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def spoil(path: Path, data: bytes, random: Random) -> None:
    """Write a workbook with a fault."""
    choice = random.random()
    if choice < 0.25:
        path.write_bytes(damaged(data, random))
    elif choice < 0.75:
        path.write_bytes(with_member(data, random))
    else:
        workbook = load_workbook(io.BytesIO(data))
        sheets = workbook.sheetnames
        if choice < 0.9:
            sheet = workbook[random.choice(sheets[1:])]
            sheet.cell(random.randrange(1, 5), random.randrange(1, 9)).value = random.choice(WRONG)
        elif choice < 0.95:
            workbook[random.choice(sheets[1:])].cell(1_000_000, 3).value = "stray"
        else:
            del workbook[random.choice(sheets)]
            workbook.create_chartsheet(random.choice(sheets))
        buffer = io.BytesIO()
        workbook.save(buffer)
        path.write_bytes(buffer.getvalue())


def with_member(data: bytes, random: Random) -> bytes:
    """A workbook with one member of its archive changed, removed, or grown."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice([name for name in members if not name.startswith("xl/media")])
    old = members[name]
    ways: list[Callable[[], bytes | None]] = [
        lambda: old[: random.randrange(len(old))],
        lambda: flipped(old, random, random.choice([1, 1, 5])),
        lambda: None,
        lambda: b"",
        lambda: old.replace(b">", b"><x>" * 1000, 1),
        lambda: b"<a>" * 50_000,
        lambda: b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 1000 + b'">]>' + old,
        lambda: old + b" " * 200_000_000,
    ]
    new = random.choice(ways)()
    members[name] = new if new is not None else b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for each, content in members.items():
            if each != name or new is not None:
                archive.writestr(each, content)
    return buffer.getvalue()


KIND = Kind("workbooks", 150, 30, prepare)
