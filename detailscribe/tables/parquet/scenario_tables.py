"""Parquet files of a scenario, scores.parquet and images.parquet, from its rows on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.study.study import Study
from detailscribe.tables.parquet.columns import FORMAT, IMAGES, SCORES, Column, Table
from detailscribe.tables.parquet.writing import write_parquet

if TYPE_CHECKING:  # a run starts without pandas and pyarrow
    import pyarrow as pa

    from detailscribe.tables.parquet.rows import Prompts

STAGE = "parquet"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"parquet": {"image_sets": study.image_sets(), "metrics": study.metrics, "format": FORMAT}}


def write_scores(path: Path, scenario: str, files: list[Path], prompts: Prompts, order: dict) -> int:
    """Write `scores.parquet`.

    Args:
        path: The file.
        scenario: Its name.
        files: `scores/{metric}/{shard}.jsonl` of every metric and shard.
        prompts: Of the scenario.
        order: `metrics` and `image_sets` of the study, in their order.

    Returns:
        Number of rows.

    Raises:
        InputError, SetupError: as `rows.score_rows`.
    """
    from detailscribe.tables.parquet.rows import score_rows

    def pieces() -> Iterator[pa.Table]:
        for group in _by_folder(files, order["metrics"]):
            yield from score_rows(SCORES, group, prompts, order["image_sets"]).values()

    return write_parquet(path, SCORES, scenario, pieces())


def write_images(
    path: Path,
    scenario: str,
    files: list[Path],
    prompts: Prompts,
    order: dict,
    column: Column | None = None,
    value: Callable[[dict], str | None] = lambda row: None,
) -> int:
    """Write `images.parquet`.

    Args:
        path: The file.
        scenario: Its name.
        files: `images/{image_set}/{shard}.jsonl` of every image set and shard.
        prompts: Of the scenario.
        order: `image_sets` of the study, in their order.
        column: One more column, at the end.
        value: Its value in a manifest's row.

    Returns:
        Number of rows.

    Raises:
        InputError, SetupError: as `rows.image_rows`.
    """
    from detailscribe.tables.parquet.rows import image_rows

    table: Table = IMAGES.with_column(column) if column else IMAGES
    more = {} if column is None else {"more": lambda row: {column.name: value(row)}}
    pieces = (image_rows(table, group, prompts, **more) for group in _by_folder(files, order["image_sets"]))
    return write_parquet(path, table, scenario, pieces)


def _by_folder(files: list[Path], names: list[str]) -> Iterator[list[Path]]:
    """Files by the folder that they are in, the folders in the order of `names` and then of their own names."""
    order = {name: position for position, name in enumerate(names)}

    def place(path: Path) -> tuple[int, str]:
        return order.get(path.parent.name, len(order)), path.parent.name

    for _, group in groupby(sorted(files, key=lambda path: (place(path), path.name)), key=place):
        yield list(group)
