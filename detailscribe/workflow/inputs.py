"""Readers of rule inputs: parameters, rows by id, manifests, outputs of all stages."""

import json
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.rows import read_rows
from detailscribe.images.image_set import is_intact

LACKS = "{} has no row for {}: delete that file and run again; the work behind it is kept"


def parameters_of(snakemake) -> dict:
    """The stage's parameters, from the file that is an input of its rule."""
    return json.loads(Path(snakemake.input.parameters).read_text(encoding="utf-8"))


class RowsById(dict):
    """Rows of a file by id; asking for one that it lacks, because it was cut off or edited, names the file."""

    def __init__(self, path: Path):
        super().__init__((row["id"], row) for row in read_rows(path))
        self._path = path

    def __missing__(self, id: str):
        raise SetupError(LACKS.format(self._path, id))


def rows_by_id(path: str | Path) -> RowsById:
    """Rows of a JSON lines file by id."""
    return RowsById(Path(path))


def image_set_of(manifest: str | Path) -> str:
    """Name of the image set whose manifest this is."""
    return Path(manifest).parent.name


def verified_images(manifest: str | Path, results: Path = Path("results")) -> RowsById:
    """Rows of a manifest by id, each with `path` (None where there is no image).

    Raises:
        SetupError: a file is not as its row says, so that what is seen in it would count as seen in another image.
    """
    rows = rows_by_id(manifest)
    for row in rows.values():
        row["path"] = results / row["file"] if row["file"] else None
        if row["path"] and not is_intact(results, row):
            raise SetupError(f"{row['path']} is not as it was made: run `snakemake verify`, and then again")
    return rows


def collect_stage_outputs(files: list[Path], stage_of: dict[str, str]) -> tuple[list, dict, dict]:
    """Outputs of a scenario, as the cleaned dictionary takes them.

    Args:
        files: Every output of every stage, `.../{folder}/{shard}.jsonl`.
        stage_of: Stage of each image set by name.

    Returns:
        (stage, name, rows) of each file, manifest rows by id by image set, and the picked seeds by id.
    """
    stages, manifests, picked = [], {}, {}
    for file in files:
        name, kind = file.parent.name, file.parent.parent.name
        rows = _read_complete(file, list(stage_of) if kind == "scores" else None)
        if kind == "images":
            manifests.setdefault(name, {}).update({row["id"]: row for row in rows})
            stage = stage_of[name]
        elif kind == "selections":
            picked.update({row["id"]: row for row in rows})
            stage = "select"
        else:
            stage = {"critiques": "critique", "rewrites": "rewrite", "scores": "score"}.get(kind, "decompose")
        stages.append((stage, "" if stage == "decompose" else name, rows))
    return stages, manifests, picked


def _read_complete(file: Path, image_sets: list[str] | None) -> list[dict]:
    """Rows of a shard's output, with one for each prompt and, of scores, each image set: what a file that was cut off
    lacks would else be missing in the tables without a word."""
    rows = read_rows(file)
    folder = next(parent for parent in file.parents if (parent / "shards").is_dir())
    there = {(row["id"], row["image_set"] if image_sets else None) for row in rows}
    for record in read_rows(folder / "shards" / file.name):
        for image_set in image_sets or [None]:
            if (record["id"], image_set) not in there:
                raise SetupError(LACKS.format(file, " ".join(filter(None, [record["id"], image_set]))))
    return rows
