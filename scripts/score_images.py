"""results/{scenario}/scores/{metric}/{shard}.jsonl: id, image_set, score or null, status, reason, fingerprint."""

from pathlib import Path

from detailscribe.jobs import by_id, image_set_of, job, parameters_of, pictures
from detailscribe.records import Ledger, write_rows
from detailscribe.scores import load_metric
from detailscribe.scoring import score_images
from detailscribe.weights import metric_identity

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    scenario, metric, shard = (snakemake.wildcards[name] for name in ("scenario", "metric", "shard"))
    records = by_id(snakemake.input.prompts)
    image_sets = {image_set_of(path): pictures(path) for path in snakemake.input.manifests}
    rows = score_images(
        records,
        image_sets,
        parameters,
        metric_identity(parameters),
        load_metric(parameters["module"]),
        Ledger(Path(f"results/{scenario}/ledgers/scores/{metric}/{shard}.jsonl")),
        running.progress(len(records) * len(image_sets), "image"),
        by_id(snakemake.input.phrases[0]) if snakemake.input.phrases else None,
    )
    write_rows(Path(snakemake.output[0]), rows)
