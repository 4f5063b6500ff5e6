"""results/{scenario}/images/{image_set}/{shard}.jsonl (manifest) and the images in {shard}/ beside it."""

from detailscribe.files.rows import read_rows, rows_by_id
from detailscribe.images.generate import ImageGenerator
from detailscribe.methods.generate import requests_from_text
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    image_generator = ImageGenerator(parameters_of(snakemake), snakemake.params.offload)
    records = read_rows(snakemake.input.prompts)
    texts = rows_by_id(snakemake.input.texts) if snakemake.input.texts else None
    requests = requests_from_text(records, texts, snakemake.wildcards.image_set, image_generator)
    image_generator.generate_shard(
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [snakemake.wildcards.image_set],
        requests,
        running.progress(len(requests), "image"),
    )
