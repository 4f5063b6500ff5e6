"""Folders and tables of the user's whose content decides results; the graph watches a listing of each."""

from pathlib import Path

from detailscribe.images.import_table import files_named_by
from detailscribe.scores.model_weights import model_folders
from detailscribe.study.study import MINIATURE, Study


def watched_folders(study: Study) -> dict[str, Path]:
    """Existing folders that are watched, by name: imported images, released ratings, and models on this machine."""
    config = study.config
    folders = {f"external-{name}": entry["folder"] for name, entry in config["external"].items() if "folder" in entry}
    if config["human"]["released_folder"]:
        folders["human-released"] = config["human"]["released_folder"]
    models = model_folders(study).items()
    folders |= {name: path for name, path in models if not path.startswith(f"{MINIATURE}/")}
    return {name: Path(path) for name, path in folders.items() if Path(path).is_dir()}


def watched_tables(study: Study) -> dict[str, Path]:
    """Tables that name images, by the name of their image set's parameters."""
    external = study.config["external"].items()
    return {f"external-{name}": Path(entry["table"]) for name, entry in external if "table" in entry}


def listings(study: Study) -> dict[str, list]:
    """Path, size and mtime of every watched file, by the name of the listing."""
    result = {}
    for name, folder in watched_folders(study).items():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        result[name] = [_entry(path, str(path.relative_to(folder))) for path in files]
    for name, table in watched_tables(study).items():
        result[name] = [_entry(path, str(path)) for path in files_named_by(table) if path.is_file()]
    return result


def _entry(path: Path, name: str) -> list:
    return [name, path.stat().st_size, path.stat().st_mtime_ns]
