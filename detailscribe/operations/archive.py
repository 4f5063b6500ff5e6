"""One archive of all exchanges of a study, for somebody without a key.

`python -m detailscribe.operations.archive pack ARCHIVE [--images]` in the study's folder, `... unpack ARCHIVE` in the other's.
With images, the drawn ones go along with their ledgers, so that a replay needs no GPU either.
"""

import argparse
import gzip
import io
import json
import os
import re
import sys
import tarfile
import tempfile
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import canonical_json, file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows
from detailscribe.llm.exchange_store import exchange_path, load_exchange
from detailscribe.llm.endpoints import ACCOUNT_NAMES
from detailscribe.operations.costs import exchanges_of
from detailscribe.study.stages import LLM_STAGE_OF_FOLDER

FORMAT = 1
MANIFEST = "manifest.json"
STORE = Path("resources/exchanges")
# What an archive may hold; nothing else is unpacked, and nothing outside these folders.
MEMBER = re.compile(
    r"resources/exchanges/[0-9a-f]{2}/[0-9a-f]{64}\.(json|png|jpeg|gif|webp)"
    r"|resources/written/[a-z][a-z0-9_]*\.(jsonl|rejected\.tsv|exchanges\.txt)"
    r"|results/[a-z][a-z0-9_]*/ledgers/images/[\w.-]+/\d{3}-of-\d{3}\.jsonl"
    r"|results/[a-z][a-z0-9_]*/images/[\w.-]+/\d{3}-of-\d{3}/[\w.-]+\.(jpg|png)"
)
SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|ORG_ID|PROJECT_ID")
SHORTEST_SECRET = 8  # characters


def pack(archive: Path, folder: Path, images: bool) -> str:
    """Write the archive of the study in a folder.

    Args:
        archive: `.tar.gz` to write.
        folder: The study's folder, with `results/` and `resources/`.
        images: Whether the drawn images and their ledgers go along; hosted ones are answers and always do.

    Returns:
        A sentence on what is in it.

    Raises:
        InputError: the folder holds no results that name an exchange.
        SetupError: an exchange is missing or damaged, or a file holds a key or an account's name.
    """
    digests = study_exchanges(folder)
    if not digests:
        raise InputError(f"{folder.resolve()} has no results that name an exchange; run the study there first")
    files = []
    for digest in sorted(digests):
        path = exchange_path(folder / STORE, digest)
        try:
            image = load_exchange(path)["reply"]["image"]
        except (OSError, ValueError) as error:
            raise SetupError(f"an exchange of the study is not whole ({error}); run `snakemake verify`") from None
        files += [path] + ([path.parent / image] if image else [])
    files += sorted((folder / "resources" / "written").glob("*"))
    if images:
        files += sorted(folder.glob("results/*/ledgers/images/*/*.jsonl"))
        files += sorted(path for path in folder.glob("results/*/images/*/*/*.*") if not path.name.startswith("."))
    members = {path.relative_to(folder).as_posix(): path for path in files}
    members = {name: path for name, path in members.items() if MEMBER.fullmatch(name)}
    for name, path in members.items():
        if secret := secret_in(path):
            raise SetupError(f"{name} holds {secret}; delete that exchange and run again before you pack")
    entries = {name: {"sha256": file_sha256(path), "bytes": path.stat().st_size} for name, path in members.items()}
    manifest = canonical_json(
        {"format": FORMAT, "exchanges": len(digests), "images": images, "files": entries}
    ).encode()
    # No time, owner or name of a folder: the same study gives the same archive, and it says nothing of its maker.
    with (
        atomic_write(archive) as temporary,
        open(temporary, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        _add(tar, MANIFEST, io.BytesIO(manifest), len(manifest))
        for name, path in members.items():
            with open(path, "rb") as member:
                _add(tar, name, member, entries[name]["bytes"])
    return f"{archive}: {len(digests)} exchanges, {len(members)} files, {archive.stat().st_size:,} bytes"


def unpack(archive: Path, folder: Path) -> str:
    """Check an archive and put what it holds into a folder; what is there already stays.

    Returns:
        A sentence on what was new.

    Raises:
        InputError: it is no such archive, was cut or changed, or holds what it should not; nothing was unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as place:
        names = _extract(archive, Path(place))
        new = 0
        for name in names:
            source, target = Path(place) / name, folder / name
            if "/ledgers/" in name and target.is_file():
                kept = Ledger(target)
                for row in Ledger(source).rows():
                    if kept.get(row["id"], row["key"]) is None:
                        kept.add(row)
            elif not _is_whole(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                new += 1
    return f"{archive}: {len(names)} files are as packed, {new} of them new here"


def study_exchanges(folder: Path) -> set[str]:
    """Digests of the exchanges that the results in a folder were made from."""
    found: set[str] = set()
    for rows_folder in LLM_STAGE_OF_FOLDER:
        for path in (folder / "results").glob(f"*/{rows_folder}/**/*.jsonl"):
            found.update(exchanges_of(read_rows(path)))
    for path in (folder / "resources" / "written").glob("*.exchanges.txt"):
        found.update(path.read_text(encoding="utf-8").split())
    return found


def secret_in(path: Path) -> str:
    """What in a text file must not leave this machine, in words; empty where there is nothing."""
    data = path.read_bytes()
    for name, value in os.environ.items():
        if SECRET_VARIABLE.search(name) and len(value) >= SHORTEST_SECRET and value.encode() in data:
            return f"the value of the environment variable {name}"
    if path.suffix == ".json" and path.parent.parent.name == STORE.name:
        exchange = json.loads(data)
        if ACCOUNT_NAMES.search(f"{exchange['reply']['reason']} {exchange['served_model']}"):
            return "what looks like a key or an account's name"
    return ""


def _extract(archive: Path, place: Path) -> list[str]:
    found: dict[str, dict] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = iter(tar)
            first = next(members, None)
            if first is None or first.name != MANIFEST or not first.isfile():
                raise InputError(f"{archive} is no archive of exchanges: it does not begin with {MANIFEST}")
            manifest = json.loads(tar.extractfile(first).read())
            for member in members:
                if not (member.isfile() and MEMBER.fullmatch(member.name)):
                    raise InputError(
                        f"{archive} holds {member.name!r}, which is no part of a study; nothing was unpacked"
                    )
                tar.extract(member, place, filter="data")
                path = place / member.name
                found[member.name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    except FileNotFoundError:
        raise InputError(f"there is no file {archive}") from None
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{archive} cannot be read ({error}); nothing was unpacked") from None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("format") == FORMAT else None
    if not isinstance(files, dict):
        raise InputError(f"{archive} was packed by another version; nothing was unpacked")
    if wrong := sorted(name for name in found.keys() | files if found.get(name) != files.get(name)):
        raise InputError(f"{archive}: {wrong[0]} is not as it was packed; nothing was unpacked")
    for name in found:
        if name.startswith("resources/exchanges/") and name.endswith(".json"):
            try:
                load(place / name)
            except ValueError as error:
                raise InputError(f"{archive}: {error}; nothing was unpacked") from None
    # Images before the exchanges that name them.
    return sorted(found, key=lambda name: (name.endswith(".json"), name))


def _is_whole(path: Path) -> bool:
    try:
        return path.is_file() and (path.suffix != ".json" or bool(load_exchange(path)))
    except ValueError:
        return False


def _add(tar: tarfile.TarFile, name: str, file, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, file)


def main(arguments: list[str]) -> int:
    """Pack or unpack, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m detailscribe.operations.archive", description=__doc__.splitlines()[0]
    )
    parser.add_argument("what", choices=["pack", "unpack"])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--images", action="store_true", help="the drawn images and their ledgers, too")
    given = parser.parse_args(arguments)
    try:
        print(pack(given.archive, Path(), given.images) if given.what == "pack" else unpack(given.archive, Path()))
    except (InputError, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
