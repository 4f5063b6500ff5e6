"""One shard of a plan: its prompts, and what earlier runs left of them on disk."""

from dataclasses import dataclass, field
from pathlib import Path

from detailscribe.engines.machine.speeds import image_speed_key
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows
from detailscribe.operations.plan.estimate import Estimate, Line
from detailscribe.study.refinements import RefineJob

PENDING = "not requested yet"  # status, or part of the reason, of a row that waits for a request of the run


@dataclass
class ImageJob:
    """What a job that loads the image model once does besides denoising.

    key: what the seconds of loading and encoding depend on. first_work: (unit, key) of each kind of denoising.
    texts: to encode.
    """

    key: dict
    offload: str
    first_work: dict[str, tuple[str, dict]] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Shard:
    """A shard of a scenario.

    Attributes:
        estimate: Where the work of the stages is added.
        records: Prompt records.
        added: For each id without earlier results, the reason for its work: `new` or `changed prompt`.
        jobs: Jobs that load an image model, by stage, or by image set where a job makes one with a model of its own.
    """

    estimate: Estimate
    scenario: str
    name: str
    records: list[dict]
    added: dict[str, str]
    jobs: dict[str, ImageJob] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Results folder of the scenario."""
        return self.estimate.results / self.scenario

    def line(self, stage: str, name: str = "") -> Line:
        """The line of a stage in the estimate."""
        return self.estimate.line(self.scenario, stage, name)

    def image_job(self, stage: str, name: str, parameters: dict, refine_job: RefineJob | None = None) -> ImageJob:
        """The job that makes all image sets of a stage with the study's model, or one with a model of its own."""
        study = self.estimate.study
        job = refine_job.rule if refine_job else name if name in study.drawn else stage
        if job not in self.jobs:
            machine = study.machine_with(refine_job.image_model if refine_job else study.drawn.get(name, ""))
            key = image_speed_key(parameters, machine["offload"])
            self.jobs[job] = ImageJob(key, machine["offload"])
        return self.jobs[job]

    def rows(self, folder: str) -> list[dict]:
        """Rows of an output, from its folder in the scenario; empty if it does not exist."""
        path = self.folder / folder / f"{self.name}.jsonl"
        return read_rows(path) if path.is_file() else []

    def ledger(self, folder: str) -> Ledger:
        """A ledger of the shard, by its folder in `ledgers/`."""
        return Ledger(self.folder / "ledgers" / folder / f"{self.name}.jsonl")


def read_shard(estimate: Estimate, scenario: str, file: Path) -> Shard:
    """The shard of a scenario that a file in `shards/` lists."""
    records = read_rows(file)
    folder = estimate.results / scenario
    known = {row["id"] for path in folder.glob(f"decompositions/{file.name}") for row in read_rows(path)}
    known |= {row["id"] for path in folder.glob(f"ledgers/images/*/{file.name}") for row in Ledger(path).rows()}
    removed = known - {record["id"] for record in records}
    # An edited prompt has a new id with its old topic, and its old id is no longer in the shard.
    edited_topics = {_topic(id) for id in removed}
    added = {
        record["id"]: "changed prompt" if _topic(record["id"]) in edited_topics else "new"
        for record in records
        if record["id"] not in known
    }
    return Shard(estimate, scenario, file.stem, records, added)


def _topic(id: str) -> str:
    return id.rpartition("-")[0]
