"""results/{scenario}/critiques/{critic}/{shard}.jsonl: id, status, reason, critique, refined_prompt."""

from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.methods.critique import critique
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    records = read_rows(Path(snakemake.input.prompts))
    parts = rows_by_id(snakemake.input.decompositions) if snakemake.input.decompositions else None
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    step = running.progress(len(records), "image")
    rows = critique(records, verified_images(snakemake.input.images), parts, role, chat_of(snakemake), step)
    write_rows(Path(snakemake.output[0]), rows)
