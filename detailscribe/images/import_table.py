"""Import of existing images: the file of each prompt, from a folder or a table. Opens no image."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from detailscribe.errors import InputError

IMPORT_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class ImportedImage:
    """The file of a prompt's image, or why there is none: `status` is ok, refused or failed."""

    path: Path | None = None
    status: str = "ok"
    reason: str = ""


def images_from_folder(records: list[dict], folder: Path) -> dict[str, ImportedImage]:
    """The files `{id}.png` (or .jpg, .jpeg, .webp) of a folder, by id."""
    images = {}
    for record in records:
        id = record["id"]
        paths = [path for suffix in IMPORT_SUFFIXES if (path := folder / f"{id}{suffix}").is_file()]
        missing = ImportedImage(None, "failed", f"no file {id}.png (or .jpg, .jpeg, .webp) in {folder}")
        images[id] = ImportedImage(paths[0]) if paths else missing
    return images


def images_from_table(records: list[dict], table: Path) -> dict[str, ImportedImage]:
    """The files that a table names, by id. A row without a file is a refusal, with the table's reason.

    Raises:
        InputError: the table cannot be read, or names a prompt twice.
    """
    by_id: dict[str, ImportedImage] = {}
    by_prompt: dict[str, ImportedImage] = {}
    for number, row in read_image_table(table):
        id, prompt = (str(row.get(key) or "").strip() for key in ("id", "prompt"))
        named, name = (by_id, id) if id else (by_prompt, prompt)
        if name in named:
            raise InputError(f"{table}, line {number}: {name!r} is there twice; remove one of the two rows")
        file, reason = (str(row.get(key) or "").strip() for key in ("file", "reason"))
        refused = ImportedImage(None, "refused", reason or "the table names no file")
        named[name] = ImportedImage(table.parent / file) if file else refused
    images = {}
    for record in records:
        image = by_id.get(record["id"]) or by_prompt.get(record["prompt"].strip())
        image = image or ImportedImage(None, "failed", f"no row for it in {table}")
        if image.path and not image.path.is_file():
            image = ImportedImage(None, "failed", f"there is no file {image.path}, which {table} names")
        images[record["id"]] = image
    return images


def read_image_table(table: Path) -> list[tuple[int, dict]]:
    """Rows of a CSV, TSV or JSON lines file with their line numbers.

    Raises:
        InputError: another file type, a line that cannot be read, or a row without both `id` and `prompt`.
    """
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read ({error}); save it as UTF-8") from None
    if table.suffix in SEPARATORS:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=SEPARATORS[table.suffix])
        rows = [(reader.line_num, row) for row in reader]
    elif table.suffix == ".jsonl":
        rows = [
            (number, _json_object(table, number, line))
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
    else:
        raise InputError(f"{table}: a table of images is a .csv, .tsv or .jsonl file")
    for number, row in rows:
        if not (row.get("id") or row.get("prompt")):
            raise InputError(
                f"{table}, line {number}: neither id nor prompt; the columns are id or prompt, file, reason"
            )
    return rows


def files_named_by(table: Path) -> list[Path]:
    """The table and every file that it names, as inputs to watch for changes."""
    named = [table.parent / str(row["file"]).strip() for _, row in read_image_table(table) if row.get("file")]
    return [table, *sorted(set(named))]


def _json_object(table: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{table}, line {number}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputError(f"{table}, line {number}: not a JSON object")
    return row
