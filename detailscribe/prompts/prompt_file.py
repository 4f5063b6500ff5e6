"""Prompt files: validation with file and line, content-derived ids, and the split into shards."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.table_reader import json_lines
from detailscribe.study.shards import shard_names, shard_of

SLUG_LENGTH = 40  # characters of the topic that an id shows
KEYS = ("topic", "prompt", "stratum")
MOST_LINES = 10  # wrong lines that a message names
SHOWN = 80  # characters of a value in a message
ID_DIGEST_LENGTH = 10  # hex characters of the prompt's digest in an id: 40 bits


@dataclass(frozen=True)
class Prompt:
    """One prompt record: `id` identifies it in every file, `topic` and `prompt` are the user's text.

    `stratum` groups prompts in the tables and has no other effect; empty for none.
    """

    id: str
    topic: str
    prompt: str
    stratum: str = ""

    def row(self) -> dict:
        """The row of `prompts.jsonl`, without an empty stratum."""
        return {key: value for key, value in asdict(self).items() if key != "stratum" or value}


def prompt_id(topic: str, prompt: str) -> str:
    """Readable id from the content alone: slug of the topic, then a digest of the prompt text.

    It consists of `a-z`, `0-9` and `-`, and is safe as a file name, in a URL and in a table cell.
    """
    ascii_topic = unicodedata.normalize("NFKD", topic).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_topic.lower()).strip("-")[:SLUG_LENGTH].strip("-") or "prompt"
    return f"{slug}-{hashlib.sha256(prompt.encode()).hexdigest()[:ID_DIGEST_LENGTH]}"


def read_prompts(path: Path) -> list[Prompt]:
    """Read a scenario: JSON lines, each an object with the strings `topic` and `prompt`.

    The string `stratum` is optional; other keys are ignored, unless they resemble one of the three that is missing.

    Returns:
        Records sorted by id, so that the order of the lines has no effect.

    Raises:
        InputError: not UTF-8, not JSON, a missing, misspelt, empty or repeated key, a duplicate record, no record;
            names the file and every such line, up to MOST_LINES.
    """
    lines: dict[str, tuple[int, str]] = {}
    records = []
    faults: dict[int, str] = {}
    for number, value in json_lines(Path(path), faults):
        try:
            record = _record(value)
            if record.id in lines:
                raise ValueError(_same_as(record, *lines[record.id]))
        except ValueError as error:
            faults[number] = str(error)
            continue
        lines[record.id] = number, record.topic
        records.append(record)
    if faults:
        shown = [f"line {number}: {fault}" for number, fault in list(faults.items())[:MOST_LINES]]
        more = f"; and {len(faults) - MOST_LINES} more lines" if len(faults) > MOST_LINES else ""
        raise InputError(f"{path}, {'; '.join(shown)}{more}")
    if not records:
        raise InputError(f'{path}: no prompt; write one JSON object per line: {{"topic": ..., "prompt": ...}}')
    return sorted(records, key=lambda record: record.id)


def _record(value: object) -> Prompt:
    if not isinstance(value, dict):
        raise ValueError(f"needs a JSON object with topic and prompt, got {type(value).__name__}")
    for key in KEYS:
        if key not in value and (meant := _misspelt(key, value)):
            raise ValueError(f"{meant[:SHOWN]!r} is no key here; did you mean {key}?")
        if key == "stratum" and value.get(key) is None:
            value[key] = ""
        if key not in value:
            found = ", ".join(map(repr, sorted(value)))[:SHOWN] or "nothing"
            raise ValueError(f"key {key!r} is missing; found only {found}")
        if not isinstance(value[key], str) or not (value[key].strip() or key == "stratum"):
            raise ValueError(f"{key} must be a non-empty string, got {value[key]!r:.{SHOWN}}")
    return Prompt(prompt_id(value["topic"], value["prompt"]), value["topic"], value["prompt"], value["stratum"])


def _misspelt(key: str, names: Iterable[str]) -> str:
    """The name that was probably meant as a key; empty if none was. Of the optional key, only its beginning tells."""
    others = {name.lower(): name for name in names if name not in KEYS}
    if key == "stratum":
        near = [name for name in others if name.startswith("strat")]
    else:
        near = get_close_matches(key, others, n=1)
    return others[near[0]] if near else ""


def _same_as(record: Prompt, line: int, topic: str) -> str:
    """What to say of a record with the id of an earlier line."""
    if topic == record.topic:
        return f"the same topic and prompt as line {line}; remove one of them"
    return (
        f"the same prompt as line {line} under a topic that makes the same id ({topic!r:.{SHOWN}}, "
        f"{record.topic!r:.{SHOWN}}); change one of the topics"
    )


def split_into_shards(records: list[Prompt], count: int) -> dict[str, list[dict]]:
    """Rows of each shard; a shard may be empty.

    They have no stratum, so that regrouping prompts regenerates no image and no score.
    """
    shards: dict[str, list[dict]] = {name: [] for name in shard_names(count)}
    for record in records:
        row = {"id": record.id, "topic": record.topic, "prompt": record.prompt}
        shards[shard_of(record.id, count)].append(row)
    return shards
