"""Files that people bring: where a path of the config is looked for; folders that they fill, without traces (~$)."""

from pathlib import Path

from detailscribe.errors import InputError

TRACE_STARTS = ("~$", ".~", "._")  # an open workbook of Excel, of LibreOffice; what macOS adds on foreign disks
TRACE_ENDS = ("~", ".swp", ".tmp", ".bak", ".orig")  # what editors keep
TRACES = (".ds_store", "thumbs.db", "desktop.ini", ".directory", "__macosx")


def resolve_path(path: str, folder: Path) -> Path:
    """A path of the config: in the working directory if it exists there, otherwise in the workflow's own folder."""
    beside_workflow = folder / path
    return beside_workflow if not Path(path).exists() and beside_workflow.exists() else Path(path)


def no_such_file(path: str, folder: Path) -> str:
    """What to say of a path that `resolve_path` finds nowhere: the places that were looked at."""
    places = list(dict.fromkeys([str(Path(path).absolute()), str((folder / path).absolute())]))
    return f"there is no such file; looked for {' and '.join(places)}"


def brought_files(folder: Path) -> list[Path]:
    """Files and folders in a folder, sorted by name; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not is_trace(path.name))


def is_trace(name: str) -> bool:
    """Whether a file of this name was left by a program, and is nothing that a person brought."""
    return name.startswith(TRACE_STARTS) or name.lower().endswith(TRACE_ENDS) or name.lower() in TRACES


def brought_file(path: Path) -> Path | None:
    """A file that a person may bring, also with its suffix in other case; None if there is none.

    Raises:
        InputError: beside it, or instead of it, there is one of the same name and another kind, which would be passed
            over.
    """
    beside = [each for each in brought_files(path.parent) if each.name.casefold().partition(".")[0] == path.stem]
    named = [each for each in beside if each.name.casefold() == path.name.casefold() and each.is_file()]
    found = path if path in named else named[0] if named else None
    if others := [each for each in beside if each != found]:
        raise InputError(f"{others[0]} is not read; what it holds belongs into {path}: move it there, or elsewhere")
    return found
