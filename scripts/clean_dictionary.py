"""results/{scenario}/dictionary.jsonl (id, topic, prompt, images) and dropped.tsv (one line for each missing thing)."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.tables.complete_cases import clean, dropped_text
from detailscribe.workflow.inputs import collect_stage_outputs, parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    stages, manifests, picked = collect_stage_outputs(
        [Path(file) for file in snakemake.input.outputs], parameters["stage_of"]
    )
    dictionary, dropped = clean(read_rows(Path(snakemake.input.prompts)), stages, manifests, picked)
    write_rows(Path(snakemake.output.dictionary), dictionary)
    write_text(Path(snakemake.output.dropped), dropped_text(dropped))
