"""Manifest and images that another image model draws: results/{scenario}/images/{external}/{shard}."""

from detailscribe.files.rows import read_rows
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.generate import requests_from_text
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters, image_set = parameters_of(snakemake), snakemake.wildcards.external
    requests = requests_from_text(read_rows(snakemake.input.prompts), None, image_set, ImageRecipes(parameters))
    ImageGenerator(parameters, snakemake.params.machine).generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [image_set],
        requests,
        running.progress(len(requests), "image"),
    )
