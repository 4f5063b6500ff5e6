"""results/{scenario}/dictionary.jsonl (id, topic, prompt, images) and dropped.tsv (one line for each missing thing)."""

from pathlib import Path

from detailscribe.cleaning import clean, dropped_text
from detailscribe.jobs import gather, job, parameters_of
from detailscribe.records import read_rows, write_rows, write_text

with job(snakemake):
    parameters = parameters_of(snakemake)
    stages, manifests, picked = gather([Path(file) for file in snakemake.input.outputs], parameters["stage_of"])
    dictionary, dropped = clean(read_rows(Path(snakemake.input.prompts)), stages, manifests, picked)
    write_rows(Path(snakemake.output.dictionary), dictionary)
    write_text(Path(snakemake.output.dropped), dropped_text(dropped))
