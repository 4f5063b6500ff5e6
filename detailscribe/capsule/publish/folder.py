"""The publish folder, `results/publish/`: everything that a data repository is given, in one folder without folders."""

import json
import shutil
from pathlib import Path

from detailscribe.capsule.layout import CRATE, NONE, README, STUDY
from detailscribe.capsule.publish.citation import read_citation
from detailscribe.capsule.publish.croissant import CROISSANT, LICENCES, DataSet, croissant_metadata
from detailscribe.capsule.publish.deposit import CHECKSUMS, DEPOSIT, readme, zenodo_metadata
from detailscribe.capsule.publish.sealed_tables import (
    PublishedTable,
    sealed_contents,
    sealed_json,
    write_sealed_tables,
)
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError
from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.digests import file_sha256

CAPSULE, CITATION, LICENCE = "capsule.zip", "CITATION.cff", "LICENSE"
SETTINGS = f"{STUDY}results/parameters/tabulate.json"


def publish(capsule: Path, folder: Path, code: Path) -> list[str]:
    """Write the folder anew from a capsule; the same capsule and citation give the same bytes.

    Files that are there and not ours are kept, and named.

    Args:
        capsule: Made by `snakemake capsule`.
        folder: The publish folder.
        code: Folder with CITATION.cff and LICENSE.

    Returns:
        Lines that say what it holds.

    Raises:
        InputError: there is no capsule, it is damaged, or CITATION.cff cannot be read.
    """
    if not capsule.is_file():
        raise InputError(f"there is no {capsule}; `snakemake capsule` makes it, `make publish` does both")
    citation = read_citation(code / CITATION)
    with CapsuleReader(capsule) as sealed:
        contents, crate = sealed_contents(sealed), _root(sealed)
        notice, sealed_readme = sealed_json(sealed, SETTINGS).get("notice") or "", sealed.read(README).decode()
        _forget(folder)
        tables = write_sealed_tables(sealed, contents, folder)
        members = list(sealed.members)
    for source in (capsule, code / CITATION, code / LICENCE):
        _copy(source, folder / (CAPSULE if source == capsule else source.name))
    title, date, license = crate["name"], contents["date"], crate["license"]["@id"].removeprefix(LICENCES)
    description = "\n\n".join(filter(None, [crate["description"], notice, *_held(contents, tables)]))
    data = DataSet("-".join(["detailscribe", *contents["scenarios"]]), description, date, license, citation)
    given = [folder / name for name in (CAPSULE, *(table.file for table in tables))]
    facts = {path.name: {"sha256": file_sha256(path), "bytes": path.stat().st_size} for path in given}
    files = _descriptions(tables)
    _write_json(folder / CROISSANT, croissant_metadata(data, facts, tables, members))
    _write_json(folder / DEPOSIT, zenodo_metadata(title, description, date, license, citation))
    write_text(folder / README, readme(title, description, license, files, sealed_readme, citation))
    ours = sorted([*files, README])
    write_text(folder / CHECKSUMS, "".join(f"{file_sha256(folder / name)}  {name}\n" for name in ours))
    return _summary(folder, {*ours, CHECKSUMS})


def _root(sealed: CapsuleReader) -> dict:
    """The root of the capsule's RO-Crate."""
    graph = sealed_json(sealed, CRATE)["@graph"]
    return next(each for each in graph if each["@id"] == "./")


def _forget(folder: Path) -> None:
    """Remove what an earlier call wrote, by its own list."""
    checksums = folder / CHECKSUMS
    if checksums.is_file():
        for line in checksums.read_text(encoding="utf-8").splitlines():
            name = line.partition("  ")[2]
            if name and Path(name).name == name:
                (folder / name).unlink(missing_ok=True)
        checksums.unlink()


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as temporary:
        shutil.copyfile(source, temporary)


def _write_json(path: Path, value: dict) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _held(contents: dict, tables: list[PublishedTable]) -> list[str]:
    """What the capsule holds, and what it does not."""
    count = sum(table.rows for table in tables if table.table.name == "images")
    held = "not included" if contents["images"] == NONE else f"included ({contents['images']})"
    lines = [f"{count} rows of images, which are {held}; {contents['exchanges']} recorded answers of models."]
    if contents["unfinished"]:
        lines.append(f"Not included, because unfinished: {', '.join(contents['unfinished'])}.")
    return lines


def _descriptions(tables: list[PublishedTable]) -> dict[str, str]:
    """What each file of the folder is, but for README.md and the checksums."""
    described: dict[str, str] = {
        CAPSULE: "the study: RO-Crate with prompts, settings, answers of models, scores, tables"
    }
    for table in tables:
        described[table.file] = f"{table.table.description.format(scenario=table.scenario)} {table.rows} rows"
    described[CROISSANT] = "Croissant 1.0: the Parquet files and images as a data set"
    described[DEPOSIT] = "metadata for Zenodo"
    return described | {CITATION: "how to cite", LICENCE: "licence of the code"}


def _summary(folder: Path, ours: set[str]) -> list[str]:
    total = sum((folder / name).stat().st_size for name in ours)
    lines = [f"{folder}: {len(ours)} files, {total:,} bytes; check them there with `sha256sum -c {CHECKSUMS}`"]
    if other := sorted(path.name for path in folder.iterdir() if path.name not in ours):
        lines.append(f"also there, and in no list: {', '.join(other)}")
    return lines
