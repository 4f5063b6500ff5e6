"""Packing of a study archive: exchanges behind the results, records of weights, on request the generated images."""

import gzip
import io
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from detailscribe.engines.weight_records import RECORDS_FOLDER
from detailscribe.errors import InputError, SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import canonical_json
from detailscribe.files.packed import files_in, read_bytes, sha256_of, size_of
from detailscribe.files.rows import read_rows
from detailscribe.images.seconds import LEDGERS
from detailscribe.llm.exchange_store import exchange_path, load_exchange
from detailscribe.operations.archive.members import (
    FORMAT,
    FORMAT_WITH_RECORDS,
    FORMAT_WITH_SECONDS,
    MANIFEST,
    MAX_BYTES,
    MEMBER,
    STORE,
    check_content,
    is_seconds,
    is_weight_record,
)
from detailscribe.operations.archive.secret_scan import find_secret
from detailscribe.operations.archive.weight_records import portable_records
from detailscribe.operations.costs import exchanges_of
from detailscribe.study.stages import LLM_STAGE_OF_FOLDER


def pack_study(archive: Path, folder: Path, images: bool) -> str:
    """Write the archive of the study in a folder.

    Args:
        archive: `.tar.gz` to write.
        folder: The study's folder, with `results/` and `resources/`.
        images: Include the generated images, their ledgers and seconds. Hosted ones are exchanges, always included.

    Returns:
        A message with the counts.

    Raises:
        InputError: the results in the folder name no exchange.
        SetupError: an exchange or a row of results is missing or damaged, or a file holds a key or an account name.
    """
    digests = exchanges_of_study(folder)
    if not digests:
        raise InputError(f"{folder.resolve()} has no results that name an exchange; run the study there first")
    with tempfile.TemporaryDirectory() as temporary:
        records = portable_records(folder, Path(temporary))
        members = _members(folder, digests, images)
        members |= {(RECORDS_FOLDER / path.name).as_posix(): path for path in records}
        _write_archive(archive, members, len(digests), images)
    return f"{archive}: {len(digests)} exchanges, {len(members)} files, {archive.stat().st_size:,} bytes"


def _write_archive(archive: Path, members: dict[str, Path], exchanges: int, images: bool) -> None:
    for name, path in members.items():
        _refuse_foreign_content(name, path)
        if secret := find_secret(path):
            raise SetupError(f"{name} holds {secret}; delete that exchange and run again before you pack")
    entries: dict[str, dict[str, Any]] = {
        name: {"sha256": sha256_of(path), "bytes": size_of(path)} for name, path in members.items()
    }
    version = FORMAT_WITH_RECORDS if any(map(is_weight_record, members)) else FORMAT  # the first is read everywhere
    version = FORMAT_WITH_SECONDS if any(map(is_seconds, members)) else version
    about = {"format": version, "exchanges": exchanges, "images": images, "files": entries}
    data = canonical_json(about).encode()
    # No time, owner or folder name: one study gives one archive, which does not reveal who made it.
    with (
        atomic_write(archive) as temporary,
        open(temporary, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        _add_member(tar, MANIFEST, io.BytesIO(data), len(data))
        for name, path in members.items():
            _add_member(tar, name, io.BytesIO(read_bytes(path)), entries[name]["bytes"])


def _refuse_foreign_content(name: str, path: Path) -> None:
    try:
        if size_of(path) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        check_content(name, path)
    except ValueError as error:
        raise SetupError(f"{name} cannot be packed ({error}); run `snakemake verify`, then run again") from None


def exchanges_of_study(folder: Path) -> set[str]:
    """Digests of the exchanges that the results in a folder were made from."""
    digests: set[str] = set()
    for rows_folder in LLM_STAGE_OF_FOLDER:
        for path in (folder / "results").glob(f"*/{rows_folder}/**/*.jsonl"):
            digests.update(exchanges_of(read_rows(path), path))
    for path in (folder / "resources" / "written").glob("*.exchanges.txt"):
        digests.update(path.read_text(encoding="utf-8").split())
    return digests


def _members(folder: Path, digests: set[str], images: bool) -> dict[str, Path]:
    """Files to pack by their name in the archive."""
    files = []
    for digest in sorted(digests):
        try:
            path = exchange_path(folder / STORE, digest)
            exchange = load_exchange(path)
            beside = [exchange["reply"]["image"], (exchange.get("body") or {}).get("file")]
        except (OSError, ValueError) as error:
            raise SetupError(
                f"an exchange of the study is missing or damaged ({error}); run `snakemake verify`"
            ) from None
        files += [path, *(path.parent / name for name in beside if name)]
    files += sorted((folder / "resources" / "written").glob("*"))
    if images:
        files += sorted(folder.glob("results/*/ledgers/images/*/*.jsonl"))
        files += sorted(folder.glob(f"results/*/{LEDGERS}/*/*.jsonl"))
        files += [path for each in sorted(folder.glob("results/*/images/*/*/")) for path in files_in(each)]
    members = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path for name, path in members.items() if MEMBER.fullmatch(name)}


def _add_member(tar: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, file)
