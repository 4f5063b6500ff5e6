"""`capsule-verify`: is every byte of a capsule as it was sealed, and do its tables follow from what it holds?"""

import mmap
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detailscribe.capsule.check.described import (
    LARGEST,
    contents_problems,
    crate_problems,
    read_config,
    read_contents,
)
from detailscribe.capsule.check.rebuilt import Rebuilt, rebuild
from detailscribe.capsule.check.rerun import usable_cores
from detailscribe.capsule.check.said import own_facts, say, say_rebuilt
from detailscribe.capsule.check.seal import MOST, Seal, check_seal, content_of
from detailscribe.capsule.check.touched import touched
from detailscribe.capsule.layout import CONTENTS, CRATE
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError

FEW = 4 * MOST  # bytes that do not fit; more of them are another file, not a changed one


def verify_capsule(path: Path) -> int:
    """Check a capsule, and say what was found.

    Every byte of the zip, every digest, that the crate's metadata fit, that rows of judges and critics follow from the
    recorded answers, and that tables follow from the scores: both are made again by the pipeline's own rules.

    Returns:
        0 if all is as sealed, otherwise 1.

    Raises:
        InputError: no capsule, or one that must not be opened.
        SetupError: no room, or the rules do not start.
    """
    refusal = None
    reader: CapsuleReader | None = None
    try:
        reader = CapsuleReader(path)
    except InputError as error:
        refusal = error
    try:
        data = _mapped(path, refusal)
        seal = check_seal(data, _digests(path, data))
        if refusal and (seal.cost > FEW or not seal.changes):
            raise refusal
        if seal.changes and seal.cost <= FEW:
            return _say_changes(path, data, seal)
        assert reader
        return _verify_sound(path, reader, seal)
    finally:
        if reader:
            reader.__exit__(None, None, None)


def _verify_sound(path: Path, reader: CapsuleReader, seal: Seal) -> int:
    contents_data = _read(reader, CONTENTS)
    contents = read_contents(path, contents_data)
    files = contents["files"]
    problems = contents_problems(files, reader)
    if seal.changes or not problems:  # packed by another program: the zip's own bytes say nothing
        problems += _digest_problems(reader, files)
    size = path.stat().st_size
    if problems:
        say([f"DIFFERS: {path}: {problem}" for problem in problems[:MOST]])
        return 1
    how = "every byte is as it was sealed"
    if seal.changes:
        how = "packed again by another program; every file is as it was sealed"
    elif seal.repacked:
        how = "every file is as it was sealed; packed by another version of zlib than the one here"
    say([f"{path}: {len(reader.members):,} files, {size:,} bytes; {how}"])
    # What is made again says more of what happened to a capsule than its description, which need not fit for it.
    problems = crate_problems(_read(reader, CRATE), files, own_facts(contents_data))
    say([f"DIFFERS: {path}: {problem}" for problem in problems[:MOST]] or [f"{CRATE} describes these files"])
    return max(say_rebuilt(path, _rebuilt(reader, contents)), bool(problems))


def _rebuilt(reader: CapsuleReader, contents: Mapping[str, Any]) -> Rebuilt:
    with tempfile.TemporaryDirectory(prefix="capsule-") as folder:
        return rebuild(reader, contents, read_config(reader), Path(folder), whole=False, cores=usable_cores())


def _digest_problems(reader: CapsuleReader, files: Mapping[str, dict]) -> list[str]:
    import hashlib

    problems = []
    for name in reader.members:
        if name in files:
            digest = hashlib.sha256()
            for chunk in reader.chunks(name):
                digest.update(chunk)
            if digest.hexdigest() != files[name]["sha256"]:
                problems.append(f"{name} is not the file that {CONTENTS} names")
    return problems


def _mapped(path: Path, refusal: InputError | None) -> Any:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # an empty file cannot be mapped
        raise refusal or InputError(f"{path} cannot be read; correct the path") from None


def _digests(path: Path, data: bytes) -> dict[str, str]:
    """The digests that `capsule.json` names; none if it was changed itself."""
    content = content_of(data, CONTENTS)
    if content is None or len(content) > LARGEST:
        return {}
    try:
        return {name: entry["sha256"] for name, entry in read_contents(path, content)["files"].items()}
    except InputError:
        return {}


def _say_changes(path: Path, data: bytes, seal: Seal) -> int:
    entries = {entry.shown: entry for entry in seal.entries}

    def read(name: str) -> bytes:
        return content_of(data, name, [entries[name]]) or b""

    for change in seal.changes[:MOST]:
        where = f"{change.member} ({change.what})" if change.member else change.what
        say([f"DIFFERS: {path}: {change.place}: {where}; touches {touched(change.member, entries, read)}"])
    say([f"{path} is not as it was sealed; get another copy of it"])
    return 1


def _read(reader: CapsuleReader, name: str) -> bytes:
    if reader.members.get(name, 0) > LARGEST:
        raise InputError(f"{reader.path}: {name} has more than {LARGEST:,} bytes; get another copy of it")
    return reader.read(name)
