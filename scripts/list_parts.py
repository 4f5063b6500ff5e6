"""results/{scenario}/parts/{shard}.jsonl: id, status, reason, parts (text, kind: interaction or entity)."""

from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_rows
from detailscribe.prompts.parts import list_parts
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    records, decompositions = read_rows(Path(snakemake.input.prompts)), rows_by_id(snakemake.input.decompositions)
    write_rows(Path(snakemake.output[0]), list_parts(records, decompositions, parameters_of(snakemake)))
