"""results/{scenario}/noun_phrases/{shard}.jsonl: id, status, reason, phrases, source (spacy, rules or user)."""

from pathlib import Path

from detailscribe.jobs import job, parameters_of
from detailscribe.noun_phrases import noun_phrases
from detailscribe.records import read_rows, write_rows

with job(snakemake):
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    write_rows(Path(snakemake.output[0]), noun_phrases(records, parameters["by"], parameters["corrections"]))
