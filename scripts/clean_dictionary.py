"""results/{scenario}/dictionary.jsonl (id, topic, prompt, images) and dropped.tsv (one line per missing item)."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.tables.complete_cases import clean_dictionary, dropped_tsv, missing_lines
from detailscribe.workflow.inputs import collect_stage_outputs, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    stages, manifests, selected = collect_stage_outputs(
        [Path(file) for file in snakemake.input.outputs], parameters["stage_of"]
    )
    prompts, scenario = read_rows(Path(snakemake.input.prompts)), snakemake.wildcards.scenario
    dictionary, dropped = clean_dictionary(prompts, stages, manifests, selected)
    write_rows(Path(snakemake.output.dictionary), dictionary)
    write_text(Path(snakemake.output.dropped), dropped_tsv(dropped))
    where = str(snakemake.output.dropped)
    if lines := missing_lines(scenario, len(prompts), manifests, selected, len(dictionary), where):
        running.say([f"{snakemake.rule}: {line}" for line in lines])
