"""Parquet tables of a capsule: from its own rows, so that nothing is in them that the capsule withholds."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from detailscribe.capsule.layout import CONTENTS, FORMAT, STUDY
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError
from detailscribe.tables.parquet.columns import IMAGES, SCORES, TEXT, Column, Table

MEMBER = Column("member", TEXT, "the image in capsule.zip; null if that holds none")
PUBLISHED_IMAGES = IMAGES.with_column(MEMBER)
ORDER = f"{STUDY}results/parameters/parquet.json"  # metrics and image sets in the order of the study


class PublishedTable(NamedTuple):
    """A Parquet file of the publish folder."""

    scenario: str
    table: Table
    rows: int

    @property
    def file(self) -> str:
        """Its name: a data repository has no folders."""
        return f"{self.scenario}-{self.table.name}.parquet"


def sealed_json(capsule: CapsuleReader, name: str) -> Any:
    """A member as JSON, without a comparison of its digest.

    Raises:
        InputError: no such member, or no JSON.
    """
    try:
        return json.loads(capsule.read(name))
    except ValueError as error:
        raise InputError(f"{capsule.path}: {name} is no JSON ({error}); make the capsule again") from None


def sealed_contents(capsule: CapsuleReader) -> dict:
    """`capsule.json` of a capsule of this format.

    Raises:
        InputError: it is of another format.
    """
    contents = sealed_json(capsule, CONTENTS)
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise InputError(f"{capsule.path} is no capsule of format {FORMAT}; make it again with `snakemake capsule`")
    return contents


def write_sealed_tables(capsule: CapsuleReader, contents: dict, folder: Path) -> list[PublishedTable]:
    """Write scores and images of each scenario of a capsule into a folder.

    Args:
        capsule: The capsule.
        contents: `sealed_contents`.
        folder: Where the files go, under the names of `PublishedTable.file`.

    Raises:
        InputError: a member's digest is not that of `capsule.json`, or a member is missing.
    """
    from detailscribe.tables.parquet.rows import Prompts
    from detailscribe.tables.parquet.scenario_tables import write_images, write_scores

    order, written = sealed_json(capsule, ORDER), []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for scenario in contents["scenarios"]:
            inside = f"{STUDY}results/{scenario}/"
            kinds = {
                "prompts": [f"{inside}prompts.jsonl", f"{inside}tables/scores.csv"],
                **{
                    kind: [
                        each
                        for each in capsule.members
                        if each.startswith(f"{inside}{kind}/") and each.endswith(".jsonl")
                    ]
                    for kind in ("scores", "images")
                },
            }
            files = {kind: [_extract(capsule, contents, each, root) for each in names] for kind, names in kinds.items()}
            prompts = Prompts(*files["prompts"])
            scores = PublishedTable(scenario, SCORES, 0)
            images = PublishedTable(scenario, PUBLISHED_IMAGES, 0)
            counts = (
                write_scores(folder / scores.file, scenario, files["scores"], prompts, order),
                write_images(
                    folder / images.file,
                    scenario,
                    files["images"],
                    prompts,
                    order,
                    MEMBER,
                    lambda row: member_of(capsule, row),
                ),
            )
            written += [each._replace(rows=count) for each, count in zip((scores, images), counts, strict=True)]
    return written


def member_of(capsule: CapsuleReader, row: dict) -> str | None:
    """The member that holds the image of a manifest's row, whole or as a thumbnail."""
    if not row["file"]:
        return None
    whole = f"{STUDY}results/{row['file']}"
    small = Path(whole.replace("/images/", "/thumbnails/", 1)).with_suffix(".jpg").as_posix()
    return next((each for each in (whole, small) if each in capsule.members), None)


def _extract(capsule: CapsuleReader, contents: dict, name: str, root: Path) -> Path:
    data = capsule.read(name)
    if hashlib.sha256(data).hexdigest() != contents["files"].get(name, {}).get("sha256"):
        raise InputError(f"{capsule.path}: {name} is not what {CONTENTS} says; make the capsule again")
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
