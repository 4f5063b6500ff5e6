"""Shards: the fixed parts of a scenario, chosen by the digest of the prompt id."""

import hashlib


def shard_names(count: int) -> list[str]:
    """Names of a scenario's shards. The count is in the name, so that two layouts never share a file."""
    return [f"{index:03d}-of-{count:03d}" for index in range(count)]


def shard_of(id: str, count: int) -> str:
    """The shard of one id, decided by the digest of the id, so that a new line touches one shard."""
    return shard_names(count)[int(hashlib.sha256(id.encode()).hexdigest()[:8], 16) % count]
