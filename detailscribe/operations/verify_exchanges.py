"""Verification of exchanges: their own digests, and for those of earlier versions the digest at the first look."""

from pathlib import Path
from typing import Any

from detailscribe.files.atomic import write_if_changed
from detailscribe.files.digests import canonical_json
from detailscribe.files.json_reader import load_json
from detailscribe.files.packed import sha256_of
from detailscribe.llm.exchange_store import CHECK, exchange_files, load_exchange
from detailscribe.operations.verify_outputs import set_aside

FIRST_SEEN = ".exchanges.json"  # below results/: SHA-256 of the exchanges without a digest of their own, by name


def verify_exchanges(results: Path, store: Path) -> tuple[set[str], int, list[str]]:
    """Check every exchange of a store; damaged and changed ones are moved to `results/changed/`.

    Returns:
        Digests of the damaged ones, the number of exchanges of earlier versions that are seen for the first time, and a
        message per damaged one.
    """
    known, seen = _read_first_seen(results / FIRST_SEEN), {}
    damaged, first, problems = set(), 0, []
    for path in exchange_files(store):
        try:
            if CHECK not in load_exchange(path):
                seen[path.stem] = sha256_of(path)
                first += path.stem not in known
                if seen[path.stem] != known.get(path.stem, seen[path.stem]):
                    raise ValueError(f"{path} was edited since `verify` first saw it")
        except ValueError as error:
            seen.pop(path.stem, None)
            damaged.add(path.stem)
            problems.append(f"{error}; moved to {set_aside(results, path)}")
    if seen or known:
        write_if_changed(results / FIRST_SEEN, canonical_json(seen) + "\n")
    return damaged, first, problems


def _read_first_seen(path: Path) -> dict[str, str]:
    try:
        table: Any = load_json(path.read_bytes())
        return {str(name): str(sha256) for name, sha256 in table.items()}
    except (OSError, ValueError, AttributeError):
        return {}
