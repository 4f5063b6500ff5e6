"""results/{scenario}/decompositions/{shard}.jsonl: id, status, reason, concept, components (list of relations)."""

from pathlib import Path

from detailscribe.jobs import chat_of, job, parameters_of
from detailscribe.language import decompose
from detailscribe.records import read_rows, write_rows

with job(snakemake) as running:
    records = read_rows(Path(snakemake.input.prompts))
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    rows = decompose(records, role, chat_of(snakemake), running.progress(len(records), "prompt"))
    write_rows(Path(snakemake.output[0]), rows)
