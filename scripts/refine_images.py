"""Manifest and images of every image set that is drawn from images or refined prompts: results/{scenario}/images/."""

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.manifest import verified_images
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import refinement_requests
from detailscribe.workflow.inputs import name_of, parameters_by_name
from detailscribe.workflow.job import job

with job(snakemake) as running:
    records, parameters = read_rows(snakemake.input.prompts), parameters_by_name(snakemake)
    texts = {name_of(path): rows_by_id(path) for path in [*snakemake.input.critiques, *snakemake.input.rewrites]}
    sources = {name_of(path): verified_images(path) for path in snakemake.input.sources}
    requests = [
        request
        for each in snakemake.params.refinements
        for request in refinement_requests(
            records, each, texts.get(each.text), sources.get(each.of), ImageRecipes(parameters[f"refine-{each.name}"])
        )
    ]
    ImageGenerator(next(iter(parameters.values())), snakemake.params.machine).generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [name_of(path) for path in snakemake.output],
        requests,
        running.progress(len(requests), "image"),
    )
