"""Tables of choices that a page of pairs exports: saved again by a spreadsheet, or damaged."""

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.human.assignment import key_digest
from detailscribe.human.pairs.choices import read_choices
from detailscribe.human.pairs.page import PAIR_COLUMNS
from tests.fault_cases.kind import Case, Kind, require
from tests.fault_cases.rating_tables import spoiled

RATER = "rater_1"
KEY = [
    {
        **{"rater": RATER, "row": row, "pair": f"{row:012x}", "id": f"fox-{row % 2}", "topic": "t", "prompt": "p"},
        **{"first": "sd", "second": "ours", "first_image_set": "original-11", "second_image_set": "ours-k0"},
        **{"first_file": f"{row}-a.jpg", "second_file": f"{row}-b.jpg"},
    }
    for row in range(1, 6)
]
ANSWERS = {
    ("first", "clearly"): 1.0,
    ("first", "slightly"): 0.5,
    ("tie", ""): 0.0,
    ("second", "slightly"): -0.5,
    ("second", "clearly"): -1.0,
    ("cannot", ""): None,
}


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Read an exported table; every choice is the rater's, or a defect says why not."""
    code = key_digest(KEY)
    given = [random.choice(list(ANSWERS)) for _ in KEY]
    certain = random.random() < 0.5
    data = written(code, given, random)
    path = own / f"{RATER}.pairs.csv"
    path.write_bytes(data if certain else spoiled(data, random))
    parsed = read_choices(own, [path], [RATER], lambda found: KEY if found == code else [])
    defects = [text for each in parsed.values() for text in each.defects]
    choices = [row for each in parsed.values() for row in each.choices]
    missing = [text for each in parsed.values() for text in each.missing]
    for text in (*defects, *missing):
        require(path.name in text and "\n" not in text and len(text) < 1000, f"message {text[:300]!r}")
    read = {row["pair"]: row["value"] for row in choices}
    right = {row["pair"]: ANSWERS[answer] for row, answer in zip(KEY, given, strict=True)}
    if certain:
        require(read == right and not defects and not missing, f"{defects[:1]}")
    require(len(read) == len(right) or bool(defects) or bool(missing), "choices are lost without a word")
    require(set(read.values()) <= set(ANSWERS.values()), f"values {read}")


def written(code: str, answers: list[tuple[str, str]], random: Random) -> bytes:
    """The table as a browser or a spreadsheet writes it."""
    write = random.choice([str, str.upper, lambda text: f" {text} "])
    text = io.StringIO()
    table = csv.DictWriter(
        text,
        PAIR_COLUMNS,
        delimiter=random.choice([",", ";", "\t"]),
        lineterminator=random.choice(["\n", "\r\n"]),
        quoting=random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        restval="",
    )
    table.writeheader()
    for row, (choice, strength) in zip(KEY, answers, strict=True):
        cells = {"choice": write(choice), "strength": write(strength), "seconds": random.choice(["", "2.5", "2,5"])}
        comment = random.choice(["", 'a; b, "c"', "=1+1", "two\nlines"])
        table.writerow({"sheet": code, "row": row["row"], "pair": row["pair"], "comment": comment, **cells})
    for _ in range(random.choice([0, 0, 2])):
        table.writerow({})
    return random.choice([b"", b"\xef\xbb\xbf"]) + text.getvalue().encode()


KIND = Kind("choice_tables", 100, 20, prepare)
