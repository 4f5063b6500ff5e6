"""Members of a capsule from the files of a study: each is read, cleaned and written, one after the other."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detailscribe.capsule.contents import Contents
from detailscribe.capsule.layout import (
    FIGURE,
    HUMAN,
    LEDGER,
    NONE,
    ROWS,
    STUDY,
    TABLE,
    TEXT_TABLE,
    THUMBNAILS,
    WITHHELD,
    kind_of,
)
from detailscribe.capsule.members import Found, read_member
from detailscribe.capsule.sealed_zip import SealedZip
from detailscribe.capsule.shown.exchanges import DATE, request_problem, shown_files
from detailscribe.capsule.shown.pictures import figure_problem, picture_problem, thumbnail
from detailscribe.capsule.shown.private_texts import check_private
from detailscribe.capsule.shown.rows import RowCleaner
from detailscribe.capsule.shown.settings import shown_value
from detailscribe.capsule.shown.tables import shown_marks, shown_table, svg_problem, text_problem
from detailscribe.capsule.shown.words import Words
from detailscribe.engines.weight_records import RECORDS_FOLDER
from detailscribe.errors import SetupError
from detailscribe.files.json_reader import load_json
from detailscribe.files.packed import is_there, read_bytes
from detailscribe.images.image_reader import UnreadableImage
from detailscribe.llm.exchange_store import exchange_path, load_exchange
from detailscribe.operations.archive.members import STORE
from detailscribe.operations.archive.weight_records import portable_records
from detailscribe.scores.model_weights import hub_weights
from detailscribe.study.study import MINIATURE, Study

VERIFY = "run `snakemake verify`, then run again"
RECORD_KEY = re.compile(r"[A-Za-z0-9_][\w.:@+-]{0,119}(/[\w.@+-]{1,120}){0,8}")  # a name, or a file of weights
IDENTITY = re.compile(
    r"([a-z0-9]{1,20}:)?[0-9a-f]{16,64}|\d{1,4}(\.\d{1,6}){1,2}((a|b|rc|\+|\.post|\.dev)[a-z0-9]{1,12})?"
)
TEXT_KEYS = {"system", "user", "direct", "label", "notice", "note", "question", "prefix", "labels", "style"}


class SealedStudy:
    """The study in the working directory, on its way into a zip.

    Args:
        archive: The zip.
        contents: What is known of the capsule; this adds to it.
        words: That messages keep; this adds those of answers.
        raters: Code of each rater.
        scratch: Empty folder for what is written on the way.
        options: Further names of request options that may go in.

    Attributes:
        weights: Digests or commits of weights, by name.
    """

    def __init__(
        self,
        archive: SealedZip,
        contents: Contents,
        words: Words,
        raters: Mapping[str, str],
        scratch: Path,
        options: Sequence[str],
    ):
        self.archive, self.contents = archive, contents
        self.weights: dict[str, str] = {}
        self._words, self._raters, self._scratch, self._options = words, raters, scratch, options
        self._libraries: dict[str, set[str]] = {}

    def add(self, name: str, data: bytes, own: bytes | None = None) -> None:
        """Write a member.

        Args:
            name: Without `study/`.
            data: Its bytes.
            own: Those of the study's file, if they may differ.
        """
        if own is not None and own != data:
            self.contents.cleaned[STUDY + name] = hashlib.sha256(own).hexdigest()
        self.archive.add(STUDY + name, data)

    # ---- answers -----------------------------------------------------------------------------------------------

    def add_exchanges(self, digests: Iterable[str], keep_images: bool) -> None:
        """Write exchanges with their bodies and, on request, their images; the newest date is noted.

        Raises:
            SetupError: an exchange is missing or damaged.
        """
        paths = [exchange_path(STORE, digest) for digest in digests]
        for path in paths:
            exchange = _load(path)
            self._words.add_answer(exchange["reply"]["text"])
            self._words.add(str(shown_value(exchange["served_model"])))
        for path in paths:
            exchange, name = _load(path), path.as_posix()
            if problem := request_problem(exchange, self._options):
                self.contents.left_out[STUDY + name] = problem
                continue
            image = exchange["reply"]["image"]
            if image and keep_images:
                data = read_bytes(path.parent / image)
                if problem := picture_problem(data):
                    self.contents.left_out[STUDY + path.with_name(image).as_posix()] = problem
                else:
                    self.add(path.with_name(image).as_posix(), data)
            kept = bool(image) and STUDY + path.with_name(str(image)).as_posix() in self.archive.files
            files = shown_files(path, exchange, self._words, kept, self._scratch)
            for file, data in files.items():
                own = path.with_name(file)
                self.add(own.as_posix(), data, read_bytes(own) if is_there(own) else b"")
            self.contents.exchanges += 1
            if DATE.fullmatch(exchange["date"]):
                self.contents.date = max(self.contents.date, exchange["date"])

    # ---- results -----------------------------------------------------------------------------------------------

    def add_results(self, files: Iterable[str], models: Iterable[str]) -> None:
        """Write rows, tables and figures.

        Args:
            files: Paths.
            models: That drew hosted images.

        Raises:
            SetupError: a file was changed, cannot be read, or holds something private.
        """
        rows = RowCleaner(self._words, models)
        for path in files:
            member, data = kind_of(STUDY + path), read_member(path)
            if member is None:
                self.contents.left_out[STUDY + path] = "no pattern of the layout names it"
                continue
            try:
                if member.kind in (ROWS, LEDGER):
                    match = member.pattern.fullmatch(path)
                    assert match
                    self.add(path, rows.lines(path, match["folder"], data), data)
                elif member.kind == TABLE:
                    self.add(path, shown_table(data, "\t" if path.endswith(".tsv") else ",", self._words), data)
                elif member.kind == HUMAN:
                    self.add(path, shown_marks(data, self._raters, self._words), data)
                elif problem := self._problem(member.kind, path, data):
                    self.contents.left_out[STUDY + path] = problem
                else:
                    self.add(path, data)
            except ValueError as error:
                raise SetupError(f"{path} cannot be read ({error}); {VERIFY}") from None

    def _problem(self, kind: str, path: str, data: bytes) -> str:
        """Why a file that goes in whole or not at all cannot go in."""
        if kind == TEXT_TABLE:
            return text_problem(data.decode(), self._words)
        assert kind == FIGURE
        return svg_problem(data, self._words) if path.endswith(".svg") else figure_problem(data)

    def add_images(self, images: Mapping[str, str], kept: str) -> None:
        """Write images, or thumbnails of them.

        Args:
            images: SHA-256 by path.
            kept: none, thumbnails or whole.

        Raises:
            SetupError: an image is missing or changed.
        """
        for path in sorted(images) if kept != NONE else ():
            try:
                data = read_bytes(path)
            except OSError as error:
                raise SetupError(f"{path} cannot be read ({error.strerror}); {VERIFY}") from None
            if hashlib.sha256(data).hexdigest() != images[path]:
                raise SetupError(f"{path} was changed since it was made; {VERIFY}")
            if kept == THUMBNAILS:
                name = Path(path.replace("/images/", "/thumbnails/", 1)).with_suffix(".jpg").as_posix()
                try:
                    self.add(name, thumbnail(Path(path)))
                except UnreadableImage as error:
                    self.contents.left_out[STUDY + name] = self._words.clean(str(error))
            elif problem := picture_problem(data):
                self.contents.left_out[STUDY + path] = problem
            else:
                self.add(path, data)

    # ---- records -----------------------------------------------------------------------------------------------

    def add_records(self, parameters: Mapping[str, dict], study: Study, fingerprints: Iterable[str]) -> None:
        """Write parameters, fingerprints and records of weights.

        Args:
            parameters: Of every stage, by the name of their file.
            study: The study.
            fingerprints: That scores name.
        """
        of_others = {f"phrases-{name}" for name in study.scenarios if name not in self.contents.scenarios}
        for name in sorted(parameters.keys() - of_others):
            path = f"results/parameters/{name}.json"
            self._add_record(path, parameters[name], _pretty(parameters[name]))
        for digest in sorted(fingerprints):
            source = Path("results/fingerprints") / f"{digest}.json"
            if source.is_file():
                recipe: Any = load_json(source.read_bytes())
                self._add_record(source.as_posix(), recipe, source.read_bytes())
                self._note_fingerprint(self._record(recipe))
        self._add_weights(study)

    def _add_record(self, name: str, value: Any, own: bytes | None = None) -> None:
        """Write a record by what may be shown of it.

        Raises:
            SetupError: a text in it holds something private.
        """
        data = _pretty(self._record(value))
        check_private(name, data.decode())
        self.add(name, data, own)

    def _record(self, value: Any, key: str = "") -> Any:
        """A record by values that may be shown; texts of templates and labels as they are, raters by their codes."""
        if isinstance(value, dict):
            shown = ((name, each) for name, each in value.items() if RECORD_KEY.fullmatch(name))
            return {name: self._record(each, key if key in TEXT_KEYS else name) for name, each in shown}
        if isinstance(value, list | tuple):
            return [self._record(each, key) for each in value]
        if isinstance(value, str):
            if key == "raters":
                return self._raters.get(value, WITHHELD)
            return value if key in TEXT_KEYS or IDENTITY.fullmatch(value) else self._words.clean(value)
        return value

    def _note_fingerprint(self, recipe: Mapping[str, Any]) -> None:
        if "metric" in recipe:
            self.weights[str(recipe["metric"])] = f"sha256:{recipe.get('weights', '')}"
            for name, version in recipe.get("libraries", {}).items():
                self._libraries.setdefault(name, set()).add(version)

    def _add_weights(self, study: Study) -> None:
        for name in sorted(hub_weights(study)):
            source = Path("results/weights") / f"{name}.json"
            if source.is_file():
                records: Any = load_json(source.read_bytes())
                self._add_record(source.as_posix(), records, source.read_bytes())
                for each in records if isinstance(records, list) else []:
                    self.weights[str(each.get("repository"))] = f"commit:{each.get('commit')}"
        for path in portable_records(Path(), self._scratch):
            self._add_record((RECORDS_FOLDER / path.name).as_posix(), load_json(path.read_bytes()))
        digests = Path(MINIATURE) / "digests.json"
        if study.image_model["path"].startswith(f"{MINIATURE}/") and digests.is_file():
            self._add_record(digests.as_posix(), load_json(digests.read_bytes()), digests.read_bytes())
            self.weights["the demo models"] = f"sha256:{hashlib.sha256(digests.read_bytes()).hexdigest()}"

    def versions(self, named: Found) -> dict[str, set[str]]:
        """Versions by library, of images and of scores."""
        from detailscribe.capsule.shown.rows import LIBRARIES, VERSION

        found = {name: set(each) for name, each in self._libraries.items()}
        for name, versions in named.software.items():
            if name in LIBRARIES:
                found.setdefault(name, set()).update(each for each in versions if VERSION.fullmatch(str(each)))
        return found


def _load(path: Path) -> dict:
    try:
        return load_exchange(path)
    except (OSError, ValueError) as error:
        raise SetupError(f"an exchange of the study is missing or damaged ({error}); {VERIFY}") from None


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
