"""Prompt files: harmless rewritings give the same records, damaged ones a message with file and line."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.prompts.prompt_file import read_prompts
from tests.fault_cases.kind import EXPECTED, Case, Kind, require
from tests.fault_cases.mutation import damaged, mutated, odd_value

ROWS = [
    {"topic": "carry-log", "prompt": "Two beavers carry a log together."},
    {"topic": "paint fence", "prompt": "A goat paints a fence with a brush\u2028tied to its horn."},
    {"topic": "baker’s dozen", "prompt": "Thirteen buns in a ring, “one” in the middle.", "stratum": "food"},
]


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Read a prompt file that was written in another way, or with a fault."""
    path = own / "mine.jsonl"
    harmless = random.random() < 0.4
    path.write_bytes(rewritten(random) if harmless else spoiled(random))
    try:
        records = read_prompts(path)
    except EXPECTED as error:
        require(not harmless, f"refused: {str(error)[:300]}")
        require(str(path) in str(error), f"the message does not name the file: {str(error)[:200]}")
        require("\n" not in str(error) and len(str(error)) < 1500, f"message: {str(error)[:300]!r}")
        return
    prompts = {record.prompt for record in records}
    if harmless:
        require(prompts == {row["prompt"] for row in ROWS}, f"other prompts: {sorted(prompts)}")
    for record in records:
        record.prompt.encode(), record.topic.encode(), record.stratum.encode()
        require(record.prompt.strip() and record.topic.strip(), "an empty text")


def rewritten(random: Random) -> bytes:
    """The same records, in another order and notation."""
    rows = random.sample(ROWS, len(ROWS))
    ascii_only = random.random() < 0.5
    lines = [json.dumps(row | {"more": 1.5}, ensure_ascii=ascii_only) for row in rows]
    for _ in range(random.choice([0, 3])):
        lines.insert(random.randrange(len(lines) + 1), random.choice(["", "  ", "\t"]))
    end = random.choice(["\n", "\r\n"])
    return random.choice([b"", b"\xef\xbb\xbf"]) + end.join(lines).encode() + random.choice([b"", b"\n", b"\r\n"])


def spoiled(random: Random) -> bytes:
    """A prompt file with a fault."""
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
    row = json.dumps(mutated(ROWS[0], random, random.choice([1, 2]))).encode()
    odd = json.dumps({random.choice(["topic", "prompt", "stratum"]): odd_value(random)} | ROWS[1]).encode()
    ways = [
        lambda: damaged(data, random),
        lambda: row + b"\n" + data,
        lambda: odd + b"\n" + data,
        lambda: b"[" * 100_000 + b"\n" + data,
        lambda: b'{"topic": "a", "prompt": "b", "n": ' + b"9" * 5000 + b"}\n" + data,
        lambda: b'{"topic": "a", "prompt": "b", "prompt": "c"}\n' + data,
        lambda: data + b"\n" + data,
        lambda: data.decode().encode(random.choice(["utf-16", "latin-1", "cp1252", "utf-32"]), "replace"),
        lambda: json.dumps(ROWS, indent=1).encode(),
        lambda: b"topic,prompt\nfox,A fox.\n",
    ]
    return random.choice(ways)()


KIND = Kind("prompt_files", 100, 20, prepare)
