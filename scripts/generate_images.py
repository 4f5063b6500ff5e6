"""Manifest and images of every image set made from text alone: results/{scenario}/images/{image_set}/{shard}."""

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.generate import parameters_name, requests_from_text
from detailscribe.workflow.inputs import name_of, parameters_by_name
from detailscribe.workflow.job import job

with job(snakemake) as running:
    records, parameters = read_rows(snakemake.input.prompts), parameters_by_name(snakemake)
    rewrites = {name_of(path): rows_by_id(path) for path in snakemake.input.rewrites}
    requests = [
        request
        for image_set in map(name_of, snakemake.output)
        for request in requests_from_text(
            records, rewrites.get(image_set), image_set, ImageRecipes(parameters[parameters_name(image_set)])
        )
    ]
    ImageGenerator(next(iter(parameters.values())), snakemake.params.machine).generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [name_of(path) for path in snakemake.output],
        requests,
        running.progress(len(requests), "image"),
    )
