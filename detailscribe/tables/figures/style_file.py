"""The user's matplotlib style file (`figures: style`): read line by line, with errors that name the line."""

from __future__ import annotations

from pathlib import Path

from detailscribe.errors import InputError, known_names
from detailscribe.files.brought_files import no_such_file, resolve_path

# Settings of a program and not of a figure, and those that the configuration decides.
NOT_STYLE = ("backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg", "tk", "savefig.directory")
DECIDED = {"figure.figsize": "width_in and column_in", "figure.dpi": "savefig.dpi"}


def read_style(path: str, folder: Path) -> dict[str, str]:
    """Settings of a style file as text, by key; a later line replaces an earlier one.

    Args:
        path: From the configuration; empty for no file.
        folder: The workflow's own, where a file is looked for that the working directory lacks.

    Raises:
        InputError: there is no such file, or a line is no `key: value` that matplotlib accepts; names file and line.
    """
    if not path:
        return {}
    file = resolve_path(path, folder)
    if not file.is_file():
        raise InputError(f"figures: style: {path!r}: {no_such_file(path, folder)}; correct the path")
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"figures: style: {path} is no text in UTF-8; save it as such") from None
    settings = {}
    for number, line in enumerate(lines, start=1):
        content = _without_comment(line)
        if not content:
            continue
        key, colon, value = (part.strip() for part in content.partition(":"))
        place = f"{path}, line {number}"
        if not colon or not key or not value:
            raise InputError(f"{place}: {content!r} is not `key: value`; correct the line")
        value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        _check(place, key, value)
        settings[key] = value
    return settings


def _without_comment(line: str) -> str:
    quoted = False
    for index, letter in enumerate(line):
        quoted ^= letter == '"'
        if letter == "#" and not quoted:
            return line[:index].strip()
    return line.strip()


def _check(place: str, key: str, value: str) -> None:
    if key.startswith(NOT_STYLE):
        raise InputError(f"{place}: {key} is no matter of a figure's style; remove the line")
    if key in DECIDED:
        raise InputError(f"{place}: {key} is decided otherwise; set {DECIDED[key]} instead, and remove the line")
    try:
        from matplotlib import RcParams
    except ImportError:  # a run whose jobs have environments of their own; they check the values
        return
    if key not in RcParams.validate:
        raise InputError(f"{place}: {key!r} is no setting of matplotlib: {known_names(key, sorted(RcParams.validate))}")
    try:
        RcParams.validate[key](value)
    except (ValueError, TypeError) as error:
        raise InputError(f"{place}: {key}: {value!r} cannot be used: {error}; correct the line") from None
