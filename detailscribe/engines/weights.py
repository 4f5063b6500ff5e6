"""Weights of models: where they are, the record of what was fetched, and the identities that go into keys.

`fetching` brings a repository of the hub to this machine and records its commit and the digest of every file, once;
from then on that commit is what the repository's name and revision mean here, and no network is needed. Imports no
torch.
"""

import contextlib
import errno
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.digests import digest, file_sha256

SMALL_FOLDER_BYTES = 256 * 2**20  # up to here a folder is read whole to name it
LOCAL_DIR = "local-dir:"
RECORDS = Path("resources/weights")
FETCH_AGAIN = "run `snakemake weights -R fetch_weights`"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def local_folder(path: str, must_exist: bool = True) -> Path | None:
    """The folder that a model's `path` means on this machine, or None for a repository of the Hugging Face hub.

    Raises:
        SetupError: `must_exist`, there is no such folder, and the text cannot be the name of a repository either.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() or not (must_exist or HUB_NAME.fullmatch(path)):
        return folder
    if HUB_NAME.fullmatch(path):
        return None
    raise SetupError(f"no model folder at {path!r}: correct `path` in the config, or download the model to that place")


def fetch(path: str, name: str, revision: str) -> Path:
    """One file of a model, from its folder here or from the hub (and then kept in the hub's cache).

    Args:
        path: Folder or hub repository.
        name: File in it, as "model_index.json".
        revision: Of the repository; "" for the newest.

    Raises:
        SetupError: not there, gated, or the hub cannot be reached; one sentence that says what to do.
    """
    folder = local_folder(located(path, revision))
    if folder is not None:
        if not (folder / name).is_file():
            raise SetupError(_lacks(path, name))
        return folder / name
    from huggingface_hub import hf_hub_download

    with friendly_hub_errors(path, revision, name):
        return Path(hf_hub_download(path, name, revision=revision or None))


@contextlib.contextmanager
def friendly_hub_errors(path: str, revision: str, name: str) -> Iterator[None]:
    """Turn what can go wrong with the hub into sentences on what to do.

    Raises:
        SetupError: in their place.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        way_out = f"accept its licence at https://huggingface.co/{path} and set HF_TOKEN, or run `hf auth login`"
        raise SetupError(f"the model {path} is gated: {way_out}") from error
    except errors.RepositoryNotFoundError as error:
        way_out = "correct `path`, or set HF_TOKEN if it is private"
        raise SetupError(f"{path} is neither a folder here nor a repository that the hub shows: {way_out}") from error
    except errors.RevisionNotFoundError as error:
        raise SetupError(f"the model {path} has no revision {revision!r}: correct `revision`") from error
    except errors.RemoteEntryNotFoundError as error:
        raise SetupError(_lacks(path, name)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        way_out = "connect to the network and run `snakemake weights`, or set `path` to a folder that holds it"
        raise SetupError(f"the model {path} is not on this machine and the hub was not reached: {way_out}") from error


def model_identity(model: dict) -> str:
    """Name the weights behind a model entry, for the key of what they make.

    Args:
        model: Entry of the config with `path` (folder or hub repository) and `revision`.

    Returns:
        Of a local folder of at most 256 MiB, the digest of its files, so that any change counts; of a repository that
        was fetched, `path@commit`; of a larger folder or a repository that was not, `path@revision`.

    Raises:
        InputError: `revision` is empty where it is the only thing that pins the weights.
        SetupError: a local folder that is not there.
    """
    path, revision = model["path"], model.get("revision", "")
    if record := record_of(path, revision):
        return f"{path}@{record['commit']}"
    folder = local_folder(path)
    if folder is not None:
        files = _files(folder)
        if sum(file.stat().st_size for file in files.values()) <= SMALL_FOLDER_BYTES:
            return f"sha256:{digest({name: file_sha256(file) for name, file in files.items()})}"
    if not revision:
        place = "a folder over 256 MiB" if folder else "a repository"
        raise InputError(
            f"revision of the model {path!r} is empty: {place} needs one (a commit, a tag or a name that you change "
            "with the weights), so that images made with other weights are never taken for these"
        )
    return f"{path}@{revision}"


def record_of(path: str, revision: str) -> dict | None:
    """The record of a repository that was fetched, or None."""
    file = record_file(path, revision)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def located(path: str, revision: str) -> str:
    """The folder of a repository that was fetched, complete as far as it can be seen without reading it all.

    Returns:
        `path` itself if it was not fetched.

    Raises:
        SetupError: files of the record are no longer there.
    """
    record = record_of(path, revision)
    if record is None:
        return path
    for name in record["files"]:
        if not (Path(record["folder"]) / name).is_file():
            raise SetupError(f"the file {name} of {path} is no longer in {record['folder']}: {FETCH_AGAIN}")
    return record["folder"]


def check_records(records: Path = RECORDS) -> tuple[int, list[str]]:
    """Compare every fetched file with its recorded digest.

    Returns:
        How many files were checked, and a sentence for each that is missing or changed.
    """
    checked, problems = 0, []
    for file in sorted(records.glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        for name, sha256 in record["files"].items():
            checked += 1
            path = Path(record["folder"]) / name
            if not path.is_file():
                problems.append(f"{path}: no longer there; {FETCH_AGAIN}")
            elif file_sha256(path) != sha256:
                problems.append(changed(path))
    return checked, problems


def changed(path: Path) -> str:
    """What to do about a file that is not as it was recorded: the file itself, not the cache's link to it, must go."""
    return f"{path.resolve()}: not as it was fetched; delete it and {FETCH_AGAIN}"


def metric_folder(parameters: dict) -> str:
    """The folder that a metric's `model` names as open_clip writes it, `local-dir:FOLDER`; empty for any other."""
    model = str(parameters.get("model", ""))
    return model.removeprefix(LOCAL_DIR) if model.startswith(LOCAL_DIR) else ""


def metric_identity(parameters: dict) -> str:
    """Name the weights that a metric reads from this machine, before they are loaded; empty for a library's own name.

    Raises:
        InputError, SetupError: as `model_identity`.
    """
    if folder := metric_folder(parameters):
        return model_identity({"path": folder, "revision": parameters.get("revision", "")})
    file = Path(parameters.get("pretrained") or "")
    return f"sha256:{file_sha256(file)}" if file.is_file() else ""


def state_digest(state: dict) -> str:
    """SHA-256 over a torch state dict: each name, type, shape and the bytes, in the order of the names."""
    import torch

    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def _files(folder: Path) -> dict[str, Path]:
    """Files by name relative to the folder; hidden ones are the notes of download tools and do not count."""
    names = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    return {name.as_posix(): file for name, file in sorted(names.items()) if not any(p[0] == "." for p in name.parts)}


def record_file(path: str, revision: str) -> Path:
    """Where the record of a repository, or of a file by its address, is kept."""
    name = re.sub(r"[^\w.@-]", "-", path.replace("/", "--") + (f"@{revision}" if revision else ""))
    return RECORDS / f"{name}.json"


def _lacks(path: str, name: str) -> str:
    return f"the model {path} has no file {name}: correct `path`, or fetch or build the model again"
