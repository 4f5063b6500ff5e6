"""Images made elsewhere: which file belongs to which prompt, from a folder or a table. Opens no image."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from detailscribe.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Import:
    """Where a prompt's image lies, or why there is none: `status` is ok, refused or failed."""

    path: Path | None = None
    status: str = "ok"
    reason: str = ""


def from_folder(records: list[dict], folder: Path) -> dict[str, Import]:
    """The files `{id}.png` (or .jpg, .jpeg, .webp) of a folder, by id."""
    found = {}
    for record in records:
        id = record["id"]
        paths = [path for suffix in SUFFIXES if (path := folder / f"{id}{suffix}").is_file()]
        missing = Import(None, "failed", f"no file {id}.png (or .jpg, .jpeg, .webp) in {folder}")
        found[id] = Import(paths[0]) if paths else missing
    return found


def from_table(records: list[dict], table: Path) -> dict[str, Import]:
    """The files that a table names, by id. A row without a file is a refusal, with the table's reason.

    Raises:
        InputError: the table cannot be read, or names a prompt twice.
    """
    by_id, by_prompt = {}, {}
    for number, row in read_table(table):
        id, prompt = (str(row.get(key) or "").strip() for key in ("id", "prompt"))
        named, name = (by_id, id) if id else (by_prompt, prompt)
        if name in named:
            raise InputError(f"{table}, line {number}: {name!r} is there twice; remove one of the two")
        file, reason = (str(row.get(key) or "").strip() for key in ("file", "reason"))
        declined = Import(None, "refused", reason or "the table names no file")
        named[name] = Import(table.parent / file) if file else declined
    found = {}
    for record in records:
        one = by_id.get(record["id"]) or by_prompt.get(record["prompt"].strip())
        one = one or Import(None, "failed", f"no row for it in {table}")
        if one.path and not one.path.is_file():
            one = Import(None, "failed", f"there is no file {one.path}, which {table} names")
        found[record["id"]] = one
    return found


def read_table(table: Path) -> list[tuple[int, dict]]:
    """Rows of a CSV, TSV or JSON lines file with their line numbers.

    Raises:
        InputError: another kind of file, a line that cannot be read, or neither `id` nor `prompt` in it.
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
            (number, _json(table, number, line)) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    else:
        raise InputError(f"{table}: a table of images is a .csv, .tsv or .jsonl file")
    for number, row in rows:
        if not (row.get("id") or row.get("prompt")):
            raise InputError(
                f"{table}, line {number}: neither id nor prompt; the columns are id or prompt, file, reason"
            )
    return rows


def files_of(table: Path) -> list[Path]:
    """The table and every file that it names, to be watched."""
    named = [table.parent / str(row["file"]).strip() for _, row in read_table(table) if row.get("file")]
    return [table, *sorted(set(named))]


def _json(table: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{table}, line {number}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputError(f"{table}, line {number}: not a JSON object")
    return row
