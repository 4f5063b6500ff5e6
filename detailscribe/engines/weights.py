"""Weights of models: local folder or Hugging Face hub repository, single files, and the identity used in keys.

Imports no torch.
"""

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from detailscribe.engines.weight_records import read_weight_record, resolve_model_path
from detailscribe.errors import InputError, SetupError
from detailscribe.files.digests import digest, file_sha256

SMALL_FOLDER_BYTES = 256 * 2**20  # up to this size, the identity of a folder is its content
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def local_folder(path: str, must_exist: bool = True) -> Path | None:
    """The local folder that a model's `path` means, or None for a repository of the Hugging Face hub.

    Raises:
        SetupError: `must_exist`, there is no such folder, and `path` cannot be the name of a repository either.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() or not (must_exist or HUB_NAME.fullmatch(path)):
        return folder
    if HUB_NAME.fullmatch(path):
        return None
    raise SetupError(f"no model folder at {path!r}: correct `path` in the config, or download the model to it")


def fetch_model_file(path: str, name: str, revision: str) -> Path:
    """One file of a model, from its local folder or from the hub (then kept in the hub's cache).

    Args:
        path: Folder or hub repository.
        name: File in it, as "model_index.json".
        revision: Of the repository; "" for the newest.

    Raises:
        SetupError: the file is missing or gated, or the hub cannot be reached; a one-line message with a remedy.
    """
    folder = local_folder(resolve_model_path(path, revision))
    if folder is not None:
        if not (folder / name).is_file():
            raise SetupError(_missing_file_message(path, name))
        return folder / name
    from huggingface_hub import hf_hub_download

    with friendly_hub_errors(path, revision, name):
        return Path(hf_hub_download(path, name, revision=revision or None))


@contextlib.contextmanager
def friendly_hub_errors(path: str, revision: str, name: str) -> Iterator[None]:
    """Translate errors of the Hugging Face hub.

    Raises:
        SetupError: in their place, with a remedy.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        remedy = f"accept its licence at https://huggingface.co/{path} and set HF_TOKEN, or run `hf auth login`"
        raise SetupError(f"the model {path} is gated: {remedy}") from error
    except errors.RepositoryNotFoundError as error:
        remedy = "correct `path`, or set HF_TOKEN if it is private"
        raise SetupError(f"{path} is neither a local folder nor a visible repository of the hub: {remedy}") from error
    except errors.RevisionNotFoundError as error:
        raise SetupError(f"the model {path} has no revision {revision!r}: correct `revision`") from error
    except errors.RemoteEntryNotFoundError as error:
        raise SetupError(_missing_file_message(path, name)) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        remedy = "connect to the network and run `snakemake weights`, or set `path` to a folder that holds it"
        raise SetupError(f"the model {path} is not on this machine and the hub was not reached: {remedy}") from error


def model_identity(model: dict) -> str:
    """Identity of the weights of a model entry, for the key of what they generate.

    Args:
        model: Entry of the config with `path` (folder or hub repository) and `revision`.

    Returns:
        For a fetched repository, `path@commit`; for a local folder of at most 256 MiB, the digest of its files, so
        that any change counts; for a larger folder or a repository not fetched yet, `path@revision`.

    Raises:
        InputError: `revision` is empty where it is the only thing that pins the weights.
        SetupError: a local folder does not exist.
    """
    path, revision = model["path"], model.get("revision", "")
    if record := read_weight_record(path, revision):
        return f"{path}@{record['commit']}"
    folder = local_folder(path)
    if folder is not None:
        files = visible_files(folder)
        if sum(file.stat().st_size for file in files.values()) <= SMALL_FOLDER_BYTES:
            return f"sha256:{digest({name: file_sha256(file) for name, file in files.items()})}"
    if not revision:
        kind = "a folder over 256 MiB" if folder else "a repository"
        raise InputError(
            f"revision of the model {path!r} is empty: {kind} needs one (a commit, a tag, or a name that you change "
            "with the weights), so that images of other weights are never taken for images of these"
        )
    return f"{path}@{revision}"


def visible_files(folder: Path) -> dict[str, Path]:
    """Files by name relative to the folder, without hidden ones, which are notes of download tools."""
    names = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    return {name.as_posix(): file for name, file in sorted(names.items()) if not any(p[0] == "." for p in name.parts)}


def _missing_file_message(path: str, name: str) -> str:
    return f"the model {path} has no file {name}: correct `path`, or fetch or build the model again"
