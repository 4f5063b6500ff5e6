"""Tables that people bring: image tables and filled rating tables, rewritten as spreadsheets do, or damaged."""

import contextlib
import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from random import Random

from PIL import Image

from detailscribe.methods.external import imported_requests
from tests.fault_cases.kind import EXPECTED, Case, Kind, require
from tests.fault_cases.mutation import damaged, mutated, odd_value

PROMPTS = ["A café fox; red, “quoted”", "Zwei Füchse\u2028malen", "plain prompt", "ends with space", 'with "quotes"']
RECORDS = [{"id": f"id-{n}", "topic": "t", "prompt": text} for n, text in enumerate(PROMPTS)]


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Write a table, import by it, and check each prompt's row."""
    for record in RECORDS:
        Image.linear_gradient("L").resize((8, 8)).save(own / f"{record['id']}.png")
    harmless = random.random() < 0.5
    form = random.choice(["csv", "csv", "tsv", "jsonl"])
    path = own / f"table.{form}"
    data = json_lines(random) if form == "jsonl" else separated(random, "\t" if form == "tsv" else "")
    path.write_bytes(data if harmless else spoiled(data, form, random))
    try:
        requests, files = imported_requests(RECORDS, {"table": str(path)}, "mine", {})
    except EXPECTED as error:
        require(not harmless, f"refused: {str(error)[:300]}")
        require(str(path.name) in str(error), f"the message does not name the file: {str(error)[:200]}")
        require("\n" not in str(error) and len(str(error)) < 1500, f"message: {str(error)[:300]!r}")
        return
    for request in requests:
        if harmless:
            require(request.status == "ok", f"{request.id} is {request.status}: {request.reason[:200]}")
        if request.status == "ok":
            require(files[request.id].name == f"{request.id}.png", f"{request.id} gets {files[request.id].name}")


def separated(random: Random, separator: str) -> bytes:
    """A CSV or TSV that means the right files, in one of the ways that programs write it."""
    by = random.choice(["id", "prompt"])
    separator = separator or random.choice([",", ",", ";"])
    header = random.choice([[by, "file"], [by.upper(), "File"], [f" {by}", "file "], [by, "file", "reason"]])
    rows = [[record[by], f"{record['id']}.png"] + [""] * (len(header) - 2) for record in RECORDS]
    if by == "prompt" and random.random() < 0.5:
        rows = [[unicodedata.normalize("NFD", row[0]), *row[1:]] for row in rows]
    random.shuffle(rows)
    for _ in range(random.choice([0, 0, 2])):
        rows.insert(random.randrange(len(rows) + 1), [""] * len(header))
    text = io.StringIO()
    end = random.choice(["\n", "\r\n"])
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows([header, *rows])
    return random.choice([b"", b"\xef\xbb\xbf"]) + text.getvalue().encode()


def json_lines(random: Random) -> bytes:
    """JSON lines that mean the right files."""
    by = random.choice(["id", "prompt"])
    rows = [{by: record[by], "file": f"{record['id']}.png"} for record in RECORDS]
    ascii_only = random.random() < 0.5
    end = random.choice(["\n", "\r\n", "\n\n"])
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    return random.choice([b"", b"\xef\xbb\xbf"]) + (end.join(lines) + end).encode()


def spoiled(data: bytes, form: str, random: Random) -> bytes:
    """A table with a fault."""
    lines = data.split(b"\n")
    index = random.randrange(len(lines))
    ways = [
        lambda: damaged(data, random),
        lambda: data.replace(b"file", b"path", 1).replace(b"File", b"path", 1),
        lambda: b"\n".join([*lines[:index], lines[index] + b"x" * 200_000, *lines[index + 1 :]]),
        lambda: b"\n".join([*lines[:index], b'"' + lines[index], *lines[index + 1 :]]),
        lambda: b"\n".join([*lines, *lines[1:]]),
        lambda: data.decode("utf-8-sig").encode("utf-16"),
        lambda: data.decode("utf-8-sig").encode("latin-1", "replace"),
        lambda: data.replace(b".png", random.choice([b".gif", b"/../../x", b"\x00.png", b"?" * 5000])),
        lambda: data + b"\n" * 200_000,
    ]
    if form == "jsonl":
        row = mutated(json.loads(lines[0].removeprefix(b"\xef\xbb\xbf")), random, 2)
        odd = json.dumps({"id": "id-0", "file": odd_value(random)}).encode()
        ways += [lambda: json.dumps(row).encode() + b"\n" + data, lambda: odd + b"\n" + data]
        ways += [lambda: b"[" * 100_000 + b"\n" + data, lambda: b'{"id": ' + b"9" * 5000 + b"}\n" + data]
        ways += [lambda: b'{"id": "id-0", "file": "id-1.png", "file": "id-0.png"}\n' + b"\n".join(lines[1:])]
    return random.choice(ways)()


KIND = Kind("tables", 150, 20, prepare)
