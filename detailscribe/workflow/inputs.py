"""Readers of rule inputs: parameters, and the outputs of all stages."""

import json
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.rows import MISSING_ROW, read_rows
from detailscribe.images.manifest import refuse_foreign_rows
from detailscribe.study.stages import KEY_OF_FOLDER, STAGE_OF_FOLDER, folder_and_name, folder_of


def parameters_of(snakemake) -> dict:
    """The stage's parameters, from the file that is an input of its rule."""
    return json.loads(Path(snakemake.input.parameters).read_text(encoding="utf-8"))


def parameters_by_name(snakemake) -> dict[str, dict]:
    """The parameters of each part of a job that does several, by the name of their file."""
    return {Path(file).stem: json.loads(Path(file).read_text(encoding="utf-8")) for file in snakemake.input.parameters}


def name_of(output: str | Path) -> str:
    """What a shard's file of rows is of, by its folder: an image set, a critic, a rewriter, a metric."""
    return Path(output).parent.name


def collect_stage_outputs(
    files: list[Path], stage_by_image_set: dict[str, str]
) -> tuple[list[tuple[str, str, list[dict]]], dict[str, dict[str, dict]], dict[str, dict[str, dict]]]:
    """Rows of every stage of a scenario, as `complete_cases` takes them.

    Args:
        files: Every output of rows, `.../{folder}/{shard}.jsonl` or `.../{folder}/{name}/{shard}.jsonl`.
        stage_by_image_set: Stage of each image set by name.

    Returns:
        (stage, name, rows) of each file, manifest rows by id by image set, and the rows of each selection by id.
    """
    stages: list[tuple[str, str, list[dict]]] = []
    manifests: dict[str, dict[str, dict]] = {}
    selected: dict[str, dict[str, dict]] = {}
    for file in files:
        folder, name = folder_and_name(file)
        rows = _read_complete(file, list(stage_by_image_set) if folder == "scores" else None)
        if folder == "images":
            refuse_foreign_rows(file, rows)
            manifests.setdefault(name, {}).update({row["id"]: row for row in rows})
        elif folder == "selections":
            selected.setdefault(name, {}).update({row["id"]: row for row in rows})
        stages.append((stage_by_image_set[name] if folder == "images" else STAGE_OF_FOLDER[folder], name, rows))
    return stages, manifests, selected


def _read_complete(file: Path, image_sets: list[str] | None) -> list[dict]:
    """Rows of a shard's output, which must hold one per prompt and, of scores, per image set.

    Otherwise rows lost from a truncated file would silently be missing from the tables.
    """
    rows = read_rows(file, KEY_OF_FOLDER[folder_of(file)])
    scenario = next(parent for parent in file.parents if (parent / "shards").is_dir())
    present = {(row["id"], row["image_set"] if image_sets else "") for row in rows}
    for record in read_rows(scenario / "shards" / file.name):
        for key in [(record["id"], name) for name in image_sets or [""]]:
            if key not in present:
                raise SetupError(MISSING_ROW.format(file, " ".join(key).rstrip()))
    return rows
