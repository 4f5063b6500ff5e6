"""results/{scenario}/decompositions/{shard}.jsonl: id, status, reason, concept, components (list of relations)."""

from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.methods.decompose import decompose
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    records = read_rows(Path(snakemake.input.prompts))
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    rows = decompose(records, role, chat_of(snakemake), running.progress(len(records), "prompt"))
    write_rows(Path(snakemake.output[0]), rows)
