"""Download of weights: from the Hugging Face hub or a URL, with a record of their commit and digests."""

import fnmatch
import json
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from detailscribe.engines.weight_records import (
    changed_file_message,
    read_weight_record,
    resolve_model_path,
    weight_record_file,
)
from detailscribe.engines.weights import fetch_model_file, friendly_hub_errors
from detailscribe.errors import SetupError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import file_sha256

PIPELINE_FILES = ["model_index.json"]  # instead of a list: all that diffusers reads of a pipeline's repository
# All that a server of a language model reads: the files at the root, and no weights in a second format.
SERVED_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py", "*.safetensors"]
SERVED_FILES += ["!*/*", "!consolidated*"]


def fetch_repository(repository: str, revision: str, files: list[str], required: Sequence[str] = ()) -> dict:
    """Download files of a hub repository, or check those downloaded earlier; the recorded commit stays the same.

    Args:
        repository: As OWNER/NAME.
        revision: Of the repository; "" for the newest.
        files: Names or patterns of the files, or `PIPELINE_FILES`. A pattern after `!` leaves files out.
        required: Those of them that the repository must have.

    Returns:
        The record, as `weight_records` describes it.

    Raises:
        SetupError: the hub refuses or is not reached, or a file differs from its record.
    """
    record = read_weight_record(repository, revision)
    asked = record["asked"] if record else []
    try:
        folder = resolve_model_path(repository, revision) if set(files) <= set(asked) else ""
    except SetupError:
        folder = ""
    commit = record["commit"] if record else ""
    if not folder:
        commit, folder = _download(repository, revision, commit, sorted({*asked, *files}))
    names = [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()]
    names = [name for name in sorted(names) if _is_requested(name, files)]
    if lacking := [pattern for pattern in required if not fnmatch.filter(names, pattern)]:
        raise SetupError(f"{repository} has no file {lacking[0]} at {commit}: correct the config")
    about = {"repository": repository, "revision": revision, "commit": commit, "asked": sorted({*asked, *files})}
    return _record(repository, revision, about, Path(folder), names)


def fetch_address(address: str) -> dict:
    """Download the file of a URL into torch's cache, where `torch.hub` looks for it, or check it.

    Returns and raises as `fetch_repository`.
    """
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / Path(urllib.parse.urlparse(address).path).name
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(file), progress=False)
        except OSError as error:
            raise SetupError(
                f"{address} could not be fetched ({error}): connect to the network, or correct it"
            ) from error
    about = {"repository": address, "revision": "", "commit": "", "asked": [file.name]}
    return _record(address, "", about, folder, [file.name])


def _record(path: str, revision: str, about: dict, folder: Path, names: list[str]) -> dict:
    """Compare the files of the folder with the record, if there is one, and write it."""
    known = (read_weight_record(path, revision) or {"files": {}})["files"]
    found = {name: file_sha256(folder / name) for name in sorted({*names, *known})}
    if not found:
        raise SetupError(f"{path} has none of the files {', '.join(about['asked'])}: correct the config")
    if changed := [name for name, sha256 in known.items() if found[name] != sha256]:
        raise SetupError(changed_file_message(folder / changed[0]))
    record = about | {"folder": str(folder), "files": found}
    write_text(weight_record_file(path, revision), json.dumps(record, indent=2, sort_keys=True) + "\n")
    return record


def _download(repository: str, revision: str, commit: str, files: list[str]) -> tuple[str, str]:
    """The commit, resolved unless it is given, and the local folder of the files."""
    from huggingface_hub import HfApi, snapshot_download

    with friendly_hub_errors(repository, revision, ", ".join(files)):
        # By its own name the first time, so that libraries find the revision in the cache by that name.
        wanted = commit or revision or None
        commit = commit or HfApi().model_info(repository, revision=wanted).sha or ""
        if files != PIPELINE_FILES:
            wanted_files, unwanted = _split(files)
            return commit, snapshot_download(
                repository, revision=wanted, allow_patterns=wanted_files, ignore_patterns=unwanted or None
            )
        fetch_model_file(repository, PIPELINE_FILES[0], commit)  # raises for a gated repository
        from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers

        from diffusers import DiffusionPipeline  # isort: skip

        return commit, str(DiffusionPipeline.download(repository, revision=wanted))


def _is_requested(name: str, files: list[str]) -> bool:
    """Whether a file of a snapshot, which may hold more, is one of the requested files."""
    if files == PIPELINE_FILES:
        return "/" in name or name.endswith(".json")
    wanted, unwanted = _split(files)
    return _matches(name, wanted) and not _matches(name, unwanted)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _split(files: list[str]) -> tuple[list[str], list[str]]:
    """Patterns of the files, and patterns of those left out."""
    return [each for each in files if each[0] != "!"], [each[1:] for each in files if each[0] == "!"]
