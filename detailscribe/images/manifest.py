"""Manifests: the rows of an image set, each with an image of its own, checked by name and digest before it is used."""

from collections.abc import Iterable
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.rows import REMEDY, RowsById, rows_by_id
from detailscribe.images.image_file import image_problem, names_own_image


def is_foreign(manifest: Path, row: dict) -> bool:
    """Whether a row of a manifest names an image that is not its own, or not in the folder beside the manifest.

    The rows of a selection name images of the sets that they were chosen from.
    """
    scenario, image_set = manifest.parent.parent.parent.name, manifest.parent.name
    if manifest.parent.parent.name == "selections":
        image_set = str(row.get("image_set"))
    return row["file"] is not None and not names_own_image(row, scenario, image_set, manifest.stem)


def refuse_foreign_rows(manifest: Path, rows: Iterable[dict]) -> None:
    """Check the names of the images of a manifest.

    Raises:
        SetupError: a row names the image of another row, or a file that is no image of this set.
    """
    for row in rows:
        if is_foreign(manifest, row):
            raise SetupError(
                f"{manifest}: the row of {row['id']} names {row['file']!r}, which is not its own image; {REMEDY}"
            )


def read_manifest(manifest: str | Path) -> RowsById:
    """Rows of a manifest by id (`refuse_foreign_rows`)."""
    rows = rows_by_id(manifest)
    refuse_foreign_rows(Path(manifest), rows.values())
    return rows


def verified_images(manifest: str | Path, results: Path = Path("results")) -> RowsById:
    """Rows of a manifest by id, each with `path` (None where there is no image).

    Raises:
        SetupError: an image's checksum or key differs from its row; what is seen in it would count as seen in another
            image. Or a row names another's image (`read_manifest`).
    """
    rows = read_manifest(manifest)
    for row in rows.values():
        row["path"] = results / row["file"] if row["file"] else None
        if row["path"] and (problem := image_problem(results, row)):
            raise SetupError(f"{row['path']} {problem}: run `snakemake verify`, then run again")
    return rows
