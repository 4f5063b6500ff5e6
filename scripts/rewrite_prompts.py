"""results/{scenario}/rewrites/{rewriter}/{shard}.jsonl: id, status, reason, refined_prompt."""

from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.manifest import read_manifest
from detailscribe.methods.rewrite import rewrite
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    records = read_rows(Path(snakemake.input.prompts))
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    images = read_manifest(snakemake.input.images[0]) if snakemake.input.images else None
    rows = rewrite(records, role, chat_of(snakemake), running.progress(len(records), "prompt"), images)
    write_rows(Path(snakemake.output[0]), rows)
