"""results/{scenario}/scores/{metric}/{shard}.jsonl: id, image_set, score or null, status, reason, fingerprint."""

from pathlib import Path

from detailscribe.files.rows import rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.scores.scoring import score_shard
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    records = rows_by_id(snakemake.input.prompts)
    image_sets = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    rows = score_shard(
        Path("results"),
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        snakemake.wildcards.metric,
        records,
        image_sets,
        parameters_of(snakemake),
        rows_by_id(snakemake.input.phrases[0]) if snakemake.input.phrases else None,
        running.progress(len(records) * len(image_sets), "image"),
    )
    write_rows(Path(snakemake.output[0]), rows)
