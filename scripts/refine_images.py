"""Manifest and images of every candidate of one critic: results/{scenario}/images/{critic}-k{k}/{shard}."""

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.generate import ImageGenerator
from detailscribe.methods.refine import requests_from_critiques
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    image_generator = ImageGenerator(parameters_of(snakemake), snakemake.params.offload)
    records = read_rows(snakemake.input.prompts)
    requests = requests_from_critiques(records, rows_by_id(snakemake.input.critiques), image_generator)
    image_generator.generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        list(image_generator.parameters["candidates"]),
        requests,
        running.progress(len(requests), "image"),
    )
