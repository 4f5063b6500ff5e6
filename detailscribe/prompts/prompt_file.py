"""Prompt files: validation with file and line, content-derived ids, and the split into shards."""

import hashlib
import re
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.table_reader import json_lines
from detailscribe.study.shards import shard_names, shard_of

SLUG_LENGTH = 40  # characters of the topic that an id shows
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

    The string `stratum` is optional; other keys are ignored.

    Returns:
        Records sorted by id, so that the order of the lines has no effect.

    Raises:
        InputError: not UTF-8, not JSON, a missing, empty or repeated key, a duplicate record, no record; names file and
            line.
    """
    lines: dict[str, tuple[int, str]] = {}
    records = []
    for number, value in json_lines(Path(path)):
        record = _record(value, f"{path}, line {number}")
        if record.id in lines:
            first, topic = lines[record.id]
            if topic == record.topic:
                raise InputError(
                    f"{path}, line {number}: the same topic and prompt as line {first}; remove one of them"
                )
            raise InputError(
                f"{path}, line {number}: the same prompt as line {first} under a topic that makes the same id "
                f"({topic!r}, {record.topic!r}); change one of the topics"
            )
        lines[record.id] = number, record.topic
        records.append(record)
    if not records:
        raise InputError(f'{path}: no prompt; write one JSON object per line: {{"topic": ..., "prompt": ...}}')
    return sorted(records, key=lambda record: record.id)


def _record(value: object, location: str) -> Prompt:
    if not isinstance(value, dict):
        raise InputError(f"{location}: needs a JSON object with topic and prompt, got {type(value).__name__}")
    for key in ("topic", "prompt", "stratum"):
        if key == "stratum" and value.get(key) is None:
            value[key] = ""
        if key not in value:
            raise InputError(f"{location}: key {key!r} is missing; the keys are {sorted(value)}")
        if not isinstance(value[key], str) or not (value[key].strip() or key == "stratum"):
            raise InputError(f"{location}: {key} must be a non-empty string, got {value[key]!r}")
    return Prompt(prompt_id(value["topic"], value["prompt"]), value["topic"], value["prompt"], value["stratum"])


def split_into_shards(records: list[Prompt], count: int) -> dict[str, list[dict]]:
    """Rows of each shard; a shard may be empty.

    They have no stratum, so that regrouping prompts regenerates no image and no score.
    """
    shards: dict[str, list[dict]] = {name: [] for name in shard_names(count)}
    for record in records:
        row = {"id": record.id, "topic": record.topic, "prompt": record.prompt}
        shards[shard_of(record.id, count)].append(row)
    return shards
