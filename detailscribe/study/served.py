"""Weights of the models that jobs serve: where they are, and the identity that their answers depend on."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

from detailscribe.engines.weight_records import read_weight_record, resolve_model_path
from detailscribe.engines.weights import HUB_NAME, SMALL_FOLDER_BYTES, model_identity, visible_files
from detailscribe.errors import InputError, SetupError
from detailscribe.files.brought_files import resolve_path
from detailscribe.files.digests import digest, file_sha256
from detailscribe.llm.served.command_line import Weights
from detailscribe.llm.served.flags import named_files
from detailscribe.llm.served.identity import NAMED, served_identity
from detailscribe.llm.served.kinds import is_served, needs_gpu
from detailscribe.study.study import Study

COMMIT = re.compile("[0-9a-f]{40}")
MOST_FILES = 5000  # of a folder that a flag names
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")


def served_model(study: Study, endpoint: str) -> dict:
    """`{"served": identity}` for an endpoint whose server the job starts; empty for any other.

    Absent for the others, so that a study without such endpoints keeps its parameter files and digests.

    Raises:
        InputError: nothing pins the weights.
        SetupError: files on this machine are missing.
    """
    entry = study.config["endpoints"][endpoint]
    if not is_served(entry):
        return {}
    weights, template = _weights_identity(endpoint, entry)
    if own := entry.get("chat_template"):
        path = study.resolve(own)
        if not path.is_file():
            raise InputError(f"endpoints: {endpoint}: chat_template: there is no file {own}; correct the path")
        template = file_sha256(path)
    named = named_files(entry.get("options", {}).get("flags") or {})
    files = {
        f"{flag}: {text}": _content(f"endpoints: {endpoint}: options: flags: {flag}", path)
        for flag, text, path in named
    }
    return {"served": served_identity(entry, weights, template, files)}


def gpus_of(study: Study, stage: str, name: str = "") -> int:
    """GPUs that a job of a stage needs for the server that it starts; 0 if it asks a server elsewhere."""
    endpoint = study.endpoint_of(stage, name)
    return needs_gpu(study.config["endpoints"][endpoint]) if endpoint else 0


def is_served_stage(study: Study, stage: str, name: str = "") -> bool:
    """Whether a job of a stage starts the server that it asks."""
    endpoint = study.endpoint_of(stage, name)
    return bool(endpoint) and is_served(study.config["endpoints"][endpoint])


def locate_weights(endpoint: dict, folder: Path | None = None) -> Weights:
    """Where the server of an endpoint finds its weights and its chat template.

    Args:
        endpoint: Its config entry.
        folder: The workflow's own folder, in which a chat template may be.

    Returns:
        Files on this machine, or a commit of the hub.

    Raises:
        SetupError: a file is missing, or the revision of a repository is not pinned.
    """
    template = endpoint.get("chat_template") or ""
    if template:
        path = resolve_path(template, folder or Path()).absolute()
        if not path.is_file():
            raise SetupError(f"there is no file {path}: correct the endpoint's `chat_template`")
        template = str(path)
    return replace(_located(endpoint), chat_template=template)


def _located(endpoint: dict) -> Weights:
    model, revision = endpoint["model"], endpoint["revision"]
    place = resolve_model_path(model, revision)
    files = [endpoint.get("file") or "", endpoint.get("projector") or ""]
    local = Path(place).expanduser()
    if not local.exists() and (place.endswith(".gguf") or not HUB_NAME.fullmatch(place)):
        raise SetupError(f"there is neither a file nor a folder {place!r}: put it there, or correct `model`")
    if local.is_file():
        return Weights(str(local), projector=files[1] and _file(local.parent, files[1]))
    if local.is_dir():
        return Weights(_file(local, files[0]), projector=files[1] and _file(local, files[1]))
    if not COMMIT.fullmatch(revision):
        raise SetupError(
            f"the weights of {model} are not pinned (revision {revision!r}): name a commit or run `snakemake weights`"
        )
    if endpoint["kind"] == "llama_cpp":
        raise SetupError(
            f"the file {files[0]} of {model} is not on this machine: run `snakemake weights`, or download it "
            f"(`hf download {model} {files[0]} --revision {revision} --local-dir FOLDER`) and set `model` to the folder"
        )
    return Weights(model, revision)


def _weights_identity(name: str, endpoint: dict) -> tuple[str, str]:
    """Identity of an endpoint's weights without their path, and the digest of their template if it is not covered."""
    model, revision = endpoint["model"], endpoint["revision"]
    record = read_weight_record(model, revision)
    commit = record["commit"] if record else revision
    if COMMIT.fullmatch(commit):
        return f"commit:{commit}", ""  # a copy of the commit in a folder is the same model
    local = Path(model).expanduser()
    if local.is_file():
        if local.stat().st_size <= SMALL_FOLDER_BYTES:
            projector = endpoint.get("projector")
            files = [local, *([local.parent / projector] if projector else [])]
            return f"sha256:{digest([file_sha256(file) for file in files])}", ""
    elif local.is_dir():
        found = model_identity({"path": model, "revision": revision or "unnamed"})
        if found.startswith("sha256:"):
            return found, ""
    if not revision and not local.exists():
        raise InputError(
            f"endpoints: {name}: model: there is neither a file nor a folder {model!r}, and without `revision` answers "
            "are recorded under the digest of its files: put it there (also for a replay), or correct `model`; for a "
            "repository of the hub, name the commit in `revision`"
        )
    if not revision:
        raise InputError(
            f"endpoints: {name}: revision of {model!r} is empty: name the commit, or for files of your own a name that "
            "you change with them, so that answers of other weights are never taken for answers of these"
        )
    templates = {file: file_sha256(local / file) for file in TEMPLATE_FILES if (local / file).is_file()}
    return f"{NAMED}{revision}", digest(templates) if templates else ""


def _content(place: str, path: Path) -> str:
    """Digest of a file, or of a folder's files; of those in a large folder, names and sizes count.

    Raises:
        InputError: it can hardly be a folder of weights, or cannot be read.
    """
    if path.is_file():
        return file_sha256(path)
    if sum(1 for _ in islice(path.rglob("*"), MOST_FILES + 1)) > MOST_FILES:
        raise InputError(
            f"{place}: {path} has more than {MOST_FILES} files, too many for what answers depend on; write the flag in "
            "`machine_flags` if it changes no answer"
        )
    files = visible_files(path)
    sizes = {name: file.stat().st_size for name, file in files.items()}
    is_small = sum(sizes.values()) <= SMALL_FOLDER_BYTES
    return digest({name: file_sha256(file) for name, file in files.items()} if is_small else sizes)


def _file(folder: Path, name: str) -> str:
    path = folder / name if name else folder
    if not path.exists():
        raise SetupError(f"{folder} has no file {name}: correct the name, or download the model again")
    return str(path)
