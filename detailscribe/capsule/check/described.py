"""Comparison of a capsule's own descriptions with its members: `capsule.json` and `ro-crate-metadata.json`."""

from collections.abc import Mapping
from typing import Any

from detailscribe.capsule.contents import CHECK, contents_check
from detailscribe.capsule.layout import CONFIG, CONTENTS, CRATE, FORMAT
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError
from detailscribe.files.json_reader import load_json

PROFILE = "https://w3id.org/ro/wfrun/workflow/"  # of the root, any version
LARGEST = 2**28  # bytes of a description
LARGEST_CONFIG = 2**22


def read_contents(path: object, data: bytes) -> dict[str, Any]:
    """`capsule.json`, checked.

    Args:
        path: Of the capsule, for messages.
        data: Bytes of the file.

    Raises:
        InputError: not the contents of a capsule, of another format, or not as it was written.
    """
    try:
        value: Any = load_json(data)
        format = value["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: {CONTENTS} cannot be read ({_reason(error)}); get another copy of it") from None
    if format != FORMAT:
        raise InputError(
            f"{path}: {CONTENTS} has the format {str(format)[:20]}, this version reads {FORMAT}; use the version of "
            "DetailScribe that its README.md names"
        )
    if not _is_complete(value):
        raise InputError(f"{path}: {CONTENTS} lacks entries that every capsule has; get another copy of it")
    if value.get(CHECK) != contents_check(data):
        raise InputError(f"{path}: {CONTENTS} was edited: its entries do not match its check; get another copy of it")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError | TypeError):
        return "it names no format"
    return str(error)


def _is_complete(value: Mapping[str, Any]) -> bool:
    files = value.get("files")
    return (
        isinstance(files, dict)
        and all(isinstance(each, dict) for each in files.values())
        and all(isinstance(e.get("sha256"), str) and type(e.get("bytes")) is int for e in files.values())
        and isinstance(value.get("scenarios"), list)
        and all(isinstance(value.get(key), dict) for key in ("unfinished", "left_out", "cleaned"))
        and isinstance(value.get("images"), str)
    )


def read_config(reader: CapsuleReader) -> dict[str, Any]:
    """The configuration of a capsule.

    Raises:
        InputError: it cannot be read.
    """
    import yaml

    if reader.members.get(CONFIG, 0) > LARGEST_CONFIG:
        raise InputError(f"{reader.path}: {CONFIG} has more than {LARGEST_CONFIG:,} bytes; get another copy of it")
    try:
        config: Any = yaml.safe_load(reader.read(CONFIG))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{reader.path}: {CONFIG} cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(config, dict):
        raise InputError(f"{reader.path}: {CONFIG} holds no settings; get another copy of it")
    return config


def contents_problems(files: Mapping[str, dict], reader: CapsuleReader) -> list[str]:
    """Members that `capsule.json` does not name, or names with another size, and names without a member."""
    there = {name: size for name, size in reader.members.items() if name != CONTENTS}
    return [
        *(f"{name} is not in {CONTENTS}" for name in there if name not in files),
        *(f"{name} is in {CONTENTS} and not in the capsule" for name in files if name not in there),
        *(
            f"{name} has {size:,} bytes, {files[name]['bytes']:,} in {CONTENTS}"
            for name, size in there.items()
            if name in files and files[name]["bytes"] != size
        ),
    ]


def crate_problems(data: bytes, files: Mapping[str, dict], own: Mapping[str, Any]) -> list[str]:
    """Where the metadata of the crate and the members say different things.

    Args:
        data: Bytes of `ro-crate-metadata.json`.
        files: {name: sha256, bytes} of the members, without `capsule.json`.
        own: sha256 and bytes of `capsule.json`.
    """
    try:
        metadata: Any = load_json(data)
        entities = {entity["@id"]: entity for entity in metadata["@graph"]}
        root = entities["./"]
        profiles = [each["@id"] for each in _as_list(root["conformsTo"])]
        parts = [each["@id"] for each in _as_list(root["hasPart"])]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return [f"{CRATE} is no metadata of a crate ({type(error).__name__}: {error})"]
    known: dict[str, Mapping[str, Any]] = {**files, CONTENTS: own}
    problems: list[str] = []
    if not any(str(profile).startswith(PROFILE) for profile in profiles):
        problems.append(f"{CRATE} does not name the profile of Workflow Run Crates")
    problems += [f"{CRATE} lists {part}, which it does not describe" for part in parts if part not in entities]
    folders = [id for id, entity in entities.items() if id.endswith("/") and id != "./" and _is(entity, "Dataset")]
    for id, entity in entities.items():
        if _is(entity, "File") and id != CRATE and "://" not in id:
            problems += _file_problems(id, entity, known)
    for folder in folders:
        inside = [name for name in known if name.startswith(folder)]
        nested = [each for each in folders if each != folder and each.startswith(folder)]
        own_files = [name for name in inside if not any(name.startswith(each) for each in nested)]
        total = str(sum(known[name]["bytes"] for name in own_files))
        if entities[folder].get("contentSize", total) != total:
            problems.append(f"{CRATE}: {folder} has {total} bytes, not {entities[folder]['contentSize']}")
    described = [*folders, *(id for id in entities if id in known)]
    bare = [name for name in known if name != CRATE and not any(_covers(each, name) for each in described)]
    return problems + [f"{CRATE} describes neither {name} nor its folder" for name in bare[:1]]


def _file_problems(id: str, entity: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if id not in known:
        return [f"{CRATE} describes {id}, which is not in the capsule"]
    facts = {"sha256": known[id]["sha256"], "contentSize": str(known[id]["bytes"])}
    wrong = [key for key, value in facts.items() if str(entity.get(key, value)) != value]
    return [f"{CRATE}: the {key} of {id} is not that of the file" for key in wrong]


def _covers(id: str, name: str) -> bool:
    return name == id or (id.endswith("/") and name.startswith(id))


def _is(entity: Mapping[str, Any], kind: str) -> bool:
    return kind in _as_list(entity.get("@type", []))


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]
