"""Import of existing images: the file of each prompt, from a folder or a table. Opens no image."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.brought_files import is_trace
from detailscribe.files.digests import file_sha256
from detailscribe.files.table_reader import Row, read_table

IMPORT_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
COLUMNS = (("id", "prompt"), ("file",))  # `reason` may follow


@dataclass(frozen=True)
class ImportedImage:
    """The file of a prompt's image, or why there is none: `status` is ok, refused or failed."""

    path: Path | None = None
    status: str = "ok"
    reason: str = ""


def images_from_folder(records: list[dict], folder: Path) -> dict[str, ImportedImage]:
    """The files `{id}.png` (or .jpg, .jpeg, .webp; also in capitals) of a folder, by id.

    Raises:
        InputError: a prompt has two files there that differ.
    """
    images, missing = {}, []
    for record in records:
        id = record["id"]
        names = [f"{id}{suffix}" for lower in IMPORT_SUFFIXES for suffix in (lower, lower.upper())]
        paths = [path for name in names if (path := folder / name).is_file()]
        if len(paths) > 1 and len({file_sha256(path) for path in paths}) > 1:
            raise InputError(f"{folder}: {id} has two files that differ, {_listed(paths)}; keep one of them")
        images[id] = ImportedImage(paths[0] if paths else None)
        missing += [] if paths else [id]
    near = _near_misses(missing, folder) if missing else {}
    for id in missing:
        reason = f"no file {id}.png (or .jpg, .jpeg, .webp) in {folder}"
        reason += f"; not read: {near[id]}" if id in near else ""
        images[id] = ImportedImage(None, "failed", reason)
    return images


def images_from_table(records: list[dict], table: Path) -> dict[str, ImportedImage]:
    """The files that a table names, by id. A row without a file is a refusal, with the table's reason.

    Prompts are compared in Unicode's composed form (NFC), in which some programs save and others do not.

    Raises:
        InputError: the table cannot be read, or names a prompt twice.
    """
    by_id: dict[str, ImportedImage] = {}
    by_prompt: dict[str, ImportedImage] = {}
    for number, row in read_image_table(table):
        id, prompt = _text(row, "id"), _composed(_text(row, "prompt"))
        named, name = (by_id, id) if id else (by_prompt, prompt)
        if name in named:
            raise InputError(f"{table}, line {number}: {name!r} is there twice; remove one of the two rows")
        file, reason = _text(row, "file"), _text(row, "reason")
        refused = ImportedImage(None, "refused", reason or "the table names no file")
        named[name] = ImportedImage(named_file(table, file)) if file else refused
    images = {}
    for record in records:
        image = by_id.get(record["id"]) or by_prompt.get(_composed(record["prompt"].strip()))
        image = image or ImportedImage(None, "failed", f"no row for it in {table}")
        if image.path and not _is_file(image.path):
            image = ImportedImage(None, "failed", f"there is no file {image.path}, which {table} names")
        images[record["id"]] = image
    return images


def read_image_table(table: Path) -> list[Row]:
    """Rows of a CSV, TSV or JSON lines file with their line numbers.

    Raises:
        InputError: another file type, a table without `file` or without both `id` and `prompt`, a line that cannot be
            read, or a row without both `id` and `prompt`.
    """
    rows = read_table(table, COLUMNS)
    for number, row in rows:
        if not (_text(row, "id") or _text(row, "prompt")):
            raise InputError(
                f"{table}, line {number}: neither id nor prompt; the columns are id or prompt, file, reason"
            )
    return rows


def files_named_by(table: Path) -> list[Path]:
    """The table and every file that it names and that exists, as inputs to watch for changes."""
    named = {named_file(table, file) for _, row in read_image_table(table) if (file := _text(row, "file"))}
    return [table, *sorted(filter(_is_file, named))]


def named_file(table: Path, name: str) -> Path:
    """The file that a table names: relative to the table, in the Unicode form and with the slashes that exist there."""
    path = table.parent / name
    forms = [slashed for slashes in (name, name.replace("\\", "/")) for slashed in (slashes, *_forms(slashes))]
    return next((found for form in dict.fromkeys(forms) if _is_file(found := table.parent / form)), path)


def _near_misses(ids: list[str], folder: Path) -> dict[str, str]:
    """Files that are probably meant for an id and are not read: other kinds, in sub-folders, with longer names."""
    found: dict[str, list[Path]] = {}
    waiting = set(ids)
    for path in sorted(folder.rglob("*")):
        # An id ends in the digest of its prompt, so that a name which starts with one belongs to it.
        stem = path.name.casefold().partition(".")[0]
        for name in (stem, stem.partition(" ")[0], stem.partition("_")[0], stem.partition("(")[0]):
            if name in waiting and path.is_file() and not is_trace(path.name):
                found.setdefault(name, []).append(path)
                break
    return {id: _listed(paths) for id, paths in found.items()}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file
        return False


def _listed(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths[:3])


def _text(row: dict, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _forms(text: str) -> tuple[str, str]:
    return unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
