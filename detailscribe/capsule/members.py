"""Files of a study that its capsule holds: those that the configuration names, never what else lies in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detailscribe.capsule.layout import HUMAN_TABLES
from detailscribe.errors import SetupError
from detailscribe.files.output_records import recorded_sha256
from detailscribe.files.rows import read_rows
from detailscribe.images.seconds import LEDGERS
from detailscribe.operations.costs import exchanges_of
from detailscribe.study.stages import BUDGET, LLM_STAGE_OF_FOLDER, STAGES, folder_of, stage_outputs
from detailscribe.study.study import Study

REMADE = "report"  # a stage whose pages show the others' results; an option
PLAIN = ("shards", "noun_phrases", "parts")  # folders of rows that no stage ends in
COST_TABLES = ("method_costs",)
STUDY_TABLES = ("main", "pooled", "optimism", "judges", "published", "cost")  # of results/tables/
AGREEMENT = ("human/agreement.svg", "human/agreement.png")


class Found(NamedTuple):
    """What rows of results name.

    Attributes:
        exchanges: Digests.
        fingerprints: Digests of what decided scores.
        images: Manifest rows with an image: member of the file without `study/`, and its SHA-256.
        models: Names of the models that drew hosted images.
        software: Versions by library.
        ids: Of prompts.
    """

    exchanges: set[str]
    fingerprints: set[str]
    images: dict[str, str]
    models: set[str]
    software: dict[str, set[str]]
    ids: set[str]


def unfinished_stages(study: Study, scenario: str) -> list[str]:
    """Stages of a scenario with a missing file; empty if it is finished. The report does not count."""
    return [
        stage
        for stage in STAGES
        if stage != REMADE and not all(Path(file).is_file() for file in _outputs(study, scenario, stage))
    ]


def scenario_files(study: Study, scenario: str) -> list[str]:
    """Files of a finished scenario in a fixed order: rows, tables and figures, without images and reports."""
    names = [file for stage in STAGES if stage != REMADE for file in _outputs(study, scenario, stage)]
    optional = [f"{folder}/{shard}.jsonl" for folder in PLAIN for shard in study.shards(scenario)]
    optional += stage_outputs(study, BUDGET)
    optional += [f"tables/{name}.csv" for name in COST_TABLES]
    optional += [f"human/{name}.csv" for name in HUMAN_TABLES]
    optional += AGREEMENT
    measured = [*study.image_sets(), *(f"score-{name}" for name in study.config["metrics"])]
    optional += [f"{LEDGERS}/{name}/{shard}.jsonl" for name in measured for shard in study.shards(scenario)]
    paths = (f"results/{scenario}/{name}" for name in optional)
    return sorted({*names, *(path for path in paths if Path(path).is_file())})


def study_files() -> list[str]:
    """Tables over all scenarios, those that there are."""
    paths = [f"results/tables/{name}.{kind}" for name in STUDY_TABLES for kind in ("csv", "md", "tex")]
    return [path for path in paths if Path(path).is_file()]


def read_member(path: str) -> bytes:
    """The bytes of a result that are those which its job recorded.

    Raises:
        SetupError: the file was changed since.
    """
    import hashlib

    data = Path(path).read_bytes()
    recorded = recorded_sha256(Path("results"), Path(path))
    if recorded and recorded != hashlib.sha256(data).hexdigest():
        raise SetupError(f"{path} was changed since it was made; run `snakemake verify`, and the study again")
    return data


def find_named(files: list[str]) -> Found:
    """What the rows of results name.

    Args:
        files: Of `scenario_files`.

    Raises:
        SetupError: a row names something else than the digest of an exchange.
    """
    found = Found(set(), set(), {}, set(), {}, set())
    for path in map(Path, files):
        if path.suffix != ".jsonl" or LEDGERS in path.as_posix():
            continue
        folder, rows = folder_of(path), read_rows(path)
        if folder in LLM_STAGE_OF_FOLDER:
            found.exchanges.update(exchanges_of(rows, path))
        found.fingerprints.update(str(row["fingerprint"]) for row in rows if row.get("fingerprint"))
        if path.parent.name == "shards":
            found.ids.update(str(row["id"]) for row in rows)
        if folder == "images":
            _find_images(rows, found)
    return found


def _find_images(rows: list[dict], found: Found) -> None:
    for row in rows:
        if row["status"] == "ok":
            found.images[f"results/{row['file']}"] = row["sha256"]
        for name, value in (row.get("software") or {}).items():
            if name == "source" and row.get("exchange"):
                found.models.add(value)
            elif name != "source":
                found.software.setdefault(name, set()).add(value)


def _outputs(study: Study, scenario: str, stage: str) -> Iterator[str]:
    for pattern in stage_outputs(study, stage):
        for shard in study.shards(scenario) if "{shard}" in pattern else [""]:
            yield f"results/{scenario}/{pattern}".replace("{shard}", shard)
