"""Shards: names, and the shard of a prompt id."""

import hashlib

from detailscribe.prompts.prompt_file import Prompt


def shard_names(count: int) -> list[str]:
    """Names of a scenario's shards; the count is in the name, so that two layouts never share a file."""
    return [f"{index:03d}-of-{count:03d}" for index in range(count)]


def shard_of(id: str, count: int) -> str:
    """The shard of one id, decided by the digest of the id, so that a new line touches one shard."""
    return shard_names(count)[int(hashlib.sha256(id.encode()).hexdigest()[:8], 16) % count]


def split(records: list[Prompt], count: int) -> dict[str, list[dict]]:
    """Rows of each shard, as written to disk; a shard may be empty."""
    shards: dict[str, list[dict]] = {name: [] for name in shard_names(count)}
    for record in records:
        # Without the stratum: regrouping prompts makes no image and no score anew.
        row = {"id": record.id, "topic": record.topic, "prompt": record.prompt}
        shards[shard_of(record.id, count)].append(row)
    return shards
