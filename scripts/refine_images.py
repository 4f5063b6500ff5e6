"""Manifest and images of every candidate of every critic: results/{scenario}/images/{critic}-k{k}/{shard}."""

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import requests_from_critiques
from detailscribe.workflow.inputs import name_of, parameters_by_name
from detailscribe.workflow.job import job

with job(snakemake) as running:
    records, parameters = read_rows(snakemake.input.prompts), parameters_by_name(snakemake)
    requests = [
        request
        for path in snakemake.input.critiques
        for request in requests_from_critiques(
            records, rows_by_id(path), ImageRecipes(parameters[f"refine-{name_of(path)}"])
        )
    ]
    ImageGenerator(next(iter(parameters.values())), snakemake.params.machine).generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [name_of(path) for path in snakemake.output],
        requests,
        running.progress(len(requests), "image"),
    )
