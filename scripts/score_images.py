"""results/{scenario}/scores/{metric}/{shard}.jsonl: id, image_set, score or null, status, reason, fingerprint."""

from pathlib import Path

from detailscribe.engines.machine.hardware import processor_name
from detailscribe.engines.machine.speeds import JobSpeeds
from detailscribe.engines.metric_weights import metric_identity
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.images.seconds import add_score_seconds
from detailscribe.scores import load_metric
from detailscribe.scores.scoring import score_images
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    scenario, metric, shard = (snakemake.wildcards[name] for name in ("scenario", "metric", "shard"))
    records = rows_by_id(snakemake.input.prompts)
    image_sets = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    speeds = JobSpeeds()
    rows = score_images(
        records,
        image_sets,
        parameters,
        metric_identity(parameters),
        load_metric(parameters["module"]),
        Ledger(Path(f"results/{scenario}/ledgers/scores/{metric}/{shard}.jsonl")),
        running.progress(len(records) * len(image_sets), "image"),
        rows_by_id(snakemake.input.phrases[0]) if snakemake.input.phrases else None,
        speeds=speeds,
    )
    speeds.record(Path("results"), processor_name)
    add_score_seconds(Path("results", scenario), metric, shard, parameters, speeds, processor_name)
    write_rows(Path(snakemake.output[0]), rows)
