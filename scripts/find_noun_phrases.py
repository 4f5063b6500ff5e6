"""results/{scenario}/noun_phrases/{shard}.jsonl: id, status, reason, phrases, source (spacy, rules or user)."""

from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.prompts.noun_phrases import find_noun_phrases
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters, records = parameters_of(snakemake), read_rows(Path(snakemake.input.prompts))
    write_rows(Path(snakemake.output[0]), find_noun_phrases(records, parameters, parameters["corrections"]))
