"""Rating tables that a rating page downloads, of today and of earlier versions: saved again, or damaged."""

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.human.assignment import key_digest
from detailscribe.human.filled_sheets import read_filled_sheets
from tests.fault_cases.kind import Case, Kind, require
from tests.fault_cases.mutation import damaged

RATER = "rater_1"
COLUMNS = ["workbook", "sheet", "row", "column", "topic", "prompt", "rating"]
NEW_COLUMNS = ["cannot_judge", "comment"]
COMMENTS = ["", "", "too dark", "=1+1; \u201cred\u201d", "two\nlines, and a comma"]
TEXTS = ["=1+1 foxes", "A goat; a fence, “red”", "Two\nlines"]
KEY = [
    {
        **{"rater": RATER, "sheet": "1 to 3", "row": line, "column": column, "topic": text, "prompt": text},
        **{"id": f"fox-{line}", "image_set": name, "file": f"{name}-{line}.jpg"},
    }
    for line, text in enumerate(TEXTS, 2)
    for column, name in (("E", "original-11"), ("G", "detailscribe-k0"))
]


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Read a filled table; every rating is the rater's, or a defect says why not."""
    code = key_digest(KEY)
    earlier = random.random() < 0.4  # a table without the columns of today
    ratings = [random.randrange(1, 6) if earlier or random.random() < 0.8 else None for _ in KEY]
    certain = random.random() < 0.5
    data = written(code, ratings, earlier, random)
    path = own / f"{RATER}.csv"
    path.write_bytes(data if certain else spoiled(data, random))
    parsed = read_filled_sheets({RATER: path}, lambda given: KEY if given == code else [])[RATER]
    for text in (*parsed.defects, *parsed.missing):
        require(path.name in text and "\n" not in text and len(text) < 1000, f"message {text[:300]!r}")
    read = {(row["id"], row["image_set"]): row["rating"] for row in parsed.ratings}
    right = {(row["id"], row["image_set"]): rating for row, rating in zip(KEY, ratings, strict=True) if rating}
    cannot = [row for row in parsed.notes if row["cannot_judge"]]
    if certain:
        require(read == right and not parsed.defects and not parsed.missing, f"{parsed.defects[:1]}")
        require(len(read) + len(cannot) == len(KEY), "answers are lost")
    require(len(read) + len(cannot) == len(KEY) or parsed.defects or parsed.missing, "answers are lost without a word")
    require(set(read.values()) <= {1, 2, 3, 4, 5}, f"ratings {read}")


def written(code: str, ratings: list[int | None], earlier: bool, random: Random) -> bytes:
    """The table as a browser or a spreadsheet writes it; without a rating the rater cannot judge."""
    write = random.choice([str, lambda n: f"{n}.0", lambda n: f" {n}"])
    text = io.StringIO()
    table = csv.writer(
        text,
        delimiter=random.choice([",", ";", "\t"]),
        lineterminator=random.choice(["\n", "\r\n"]),
        quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    table.writerow(COLUMNS if earlier else [*COLUMNS, *NEW_COLUMNS])
    for row, rating in zip(KEY, ratings, strict=True):
        answer = [write(rating) if rating else "", "" if rating else random.choice(["yes", "Yes", " x", "TRUE"])]
        answer = answer[:1] if earlier else [*answer, random.choice(COMMENTS)]
        table.writerow([code, *(row[name] for name in COLUMNS[1:6]), *answer])
    for _ in range(random.choice([0, 0, 2])):
        table.writerow([""] * len(COLUMNS))
    return random.choice([b"", b"\xef\xbb\xbf"]) + text.getvalue().encode()


def spoiled(data: bytes, random: Random) -> bytes:
    """A table with a fault."""
    lines = data.split(b"\n")
    index = random.randrange(len(lines))
    ways = [
        lambda: damaged(data, random),
        lambda: b"\n".join([*lines[:index], *lines[index + 1 :]]),
        lambda: b"\n".join([*lines, *lines[1:]]),
        lambda: b"\n".join([*lines[:index], lines[index] + b"x" * 200_000, *lines[index + 1 :]]),
        lambda: b"\n".join([*lines[:index], b'"' + lines[index], *lines[index + 1 :]]),
        lambda: data.decode("utf-8-sig").encode("utf-16"),
        lambda: data.replace(b"rating", b"mark", 1),
        lambda: data + b"\n" * 500_000,
    ]
    return random.choice(ways)()


KIND = Kind("rating_tables", 100, 20, prepare)
