"""results/{scenario}/scores/judge-{judge}/{shard}.jsonl: id, image_set, score or null, status, reason, fingerprint."""

from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.scores.judges.marks import judge_images
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    image_sets = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    step = running.progress(len(records) * len(image_sets), "image")
    role = parameters | {"endpoint": snakemake.params.endpoint}
    rows = judge_images(records, image_sets, role, chat_of(snakemake), step, snakemake.wildcards.scenario)
    write_rows(Path(snakemake.output[0]), rows)
