"""Rows of results as a capsule holds them: the columns of `layout.COLUMNS`, each value by what it may be.

A column that is not there stays out. A value that is none of its column's becomes `[withheld]`, a message keeps the
words that are known, and a text of a prompt or a model goes in as it is and is scanned for what is private.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from detailscribe.capsule.layout import COLUMNS, WITHHELD
from detailscribe.capsule.shown.private_texts import check_private
from detailscribe.capsule.shown.settings import shown_value
from detailscribe.capsule.shown.words import Words
from detailscribe.engines.machine.hardware import FACTS
from detailscribe.files.ledger import CHECK, ledger_line
from detailscribe.files.rows import decode_line
from detailscribe.images.image_file import IMAGE_FILE

TEXTS = {  # of prompts and models; as they are
    *("topic", "stratum", "prompt", "refined_prompt", "critique", "concept", "components", "phrases", "remark"),
}
MESSAGES = {"reason"}
NAMES = {
    *("id", "status", "source", "image_set", "metric", "critic", "when", "first", "second", "first_image_set"),
    *("second_image_set", "choice", "candidate", "state", "parsing"),
}
DIGESTS = {"exchange", "sha256", "key", "fingerprint"}
NUMBERS = {
    *(
        "score",
        "geometric",
        "seed",
        "k",
        "number",
        "value",
        "draws",
        "identical",
        "seconds",
        "steps",
        "images",
        "scores",
    ),
}
LIBRARIES = {"torch", "diffusers", "transformers", "bitsandbytes", "torchao", "triton", "accelerate"}
VERSION = re.compile(r"\d[\w.+-]{0,60}")
MACHINE = {  # the model of a processor, a version, or a number; no other facts of a machine
    "cpu": re.compile(r"(AMD|Intel|Apple|ARM|Ampere|AWS|IBM|Qualcomm|Neoverse|Genuine)[\w ()@.,/-]{0,80}"),
    "gpu": re.compile(r"(\d+ x )?(NVIDIA|AMD|Intel|Apple|Tesla|GeForce|Quadro|Radeon|Instinct)[\w ()@.,/-]{0,80}"),
    "attention": re.compile(r"[a-z_]{1,20}(, [a-z_]{1,20}){0,5}"),
    "cpu_capability": re.compile(r"[A-Za-z0-9_ +]{1,30}"),
}
PROCESSOR = re.compile(rf"(?:{MACHINE['cpu'].pattern}|{MACHINE['gpu'].pattern})")
_DIGEST = re.compile(r"[0-9a-f]{16,64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,119}")


class RowCleaner:
    """Rows of one study as its capsule holds them.

    Args:
        words: That messages keep.
        models: Names of the models that drew images elsewhere, which `software` may name as their source.
    """

    def __init__(self, words: Words, models: Iterable[str] = ()):
        self._words, self._models = words, set(models)

    def lines(self, place: str, folder: str, data: bytes) -> bytes:
        """A file of rows.

        Args:
            place: Name of the member, for messages.
            folder: Key of COLUMNS.
            data: JSON Lines; a line of a ledger that cannot be read is left out.

        Raises:
            SetupError: a text holds something private; names the row.
            ValueError: a line is no JSON object.
        """
        kept = []
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            row: Any = decode_line(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no row")
            shown = self.row(f"{place}, line {number}", folder, row)
            kept.append(line if shown == row else _line(shown, CHECK in row))
        return b"".join(kept)

    def row(self, place: str, folder: str, row: dict) -> dict:
        """A row by the columns of its folder."""
        return {column: self._value(place, folder, column, row[column]) for column in row if column in COLUMNS[folder]}

    def _value(self, place: str, folder: str, column: str, value: Any) -> Any:
        if column == "software":
            return self._software(value)
        if column == "parts":
            return [self._part(place, each) for each in value or []]
        if folder == "dictionary" and column == "images":
            return {name: _file(each) for name, each in value.items() if _NAME.fullmatch(name)}
        if folder == "scores" and column == "phrases":
            return _each(value, _words_of_sources)
        if column in TEXTS:
            check_private(f"{place}, {column}", str(value))
            return _each(value, str)
        if column in MESSAGES:
            return _each(value, self._words.clean)
        if column == "file":
            return _each(value, _file)
        if column == "processor":
            return value if isinstance(value, str) and PROCESSOR.fullmatch(value) else WITHHELD
        if column in DIGESTS or column == CHECK:
            return _each(value, lambda each: each if _DIGEST.fullmatch(each) else WITHHELD)
        if folder == "seconds" and column == "first":
            return bool(value)
        if column in NUMBERS:
            return shown_value(value) if not isinstance(value, str) else WITHHELD
        return _each(value, lambda each: each if _NAME.fullmatch(each) else WITHHELD)

    def _part(self, place: str, part: Any) -> Any:
        if not isinstance(part, dict):
            return WITHHELD
        check_private(f"{place}, parts", str(part.get("text", "")))
        shown = {key: part[key] for key in ("text", "kind", "value", "status") if key in part}
        return shown | {key: shown_value(shown[key]) for key in ("kind", "value", "status") if key in shown}

    def _software(self, software: Any) -> Any:
        if not isinstance(software, dict):
            return None
        return {name: found for name, value in software.items() if (found := self._fact(name, value)) is not None}

    def _fact(self, name: str, value: Any) -> str | None:
        """A fact of an image's origin; None for what no capsule names."""
        if name == "source":
            return value if value in self._models else WITHHELD
        if name not in FACTS and name not in LIBRARIES:
            return None
        return value if isinstance(value, str) and MACHINE.get(name, VERSION).fullmatch(value) else WITHHELD


def _line(row: dict, is_ledger: bool) -> bytes:
    if is_ledger:
        return ledger_line({key: each for key, each in row.items() if key != CHECK})
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _each(value: Any, of_text: Callable[[str], Any]) -> Any:
    """A text, or each text of a list, by a function; None stays, anything else is withheld."""
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, list):
        return [_each(each, of_text) for each in value]
    return value if value is None else WITHHELD


def _file(value: Any) -> str:
    return value if isinstance(value, str) and IMAGE_FILE.fullmatch(value) else WITHHELD


def _words_of_sources(value: str) -> str:
    known = ("spacy", "rules", "user")
    return value if all(each in known for each in value.split(", ")) else WITHHELD
