"""results/{scenario}/images/{external}/{shard}.jsonl (manifest) and the images in {shard}/."""

from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.methods.external import hosted_requests, imported_requests, save_external_images
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters, records = parameters_of(snakemake), read_rows(Path(snakemake.input.prompts))
    scenario, shard, image_set = snakemake.wildcards.scenario, snakemake.wildcards.shard, snakemake.wildcards.external
    if snakemake.input.folder:
        requests, files = imported_requests(records, parameters, image_set, parameters)
    else:
        role = parameters | {"endpoint": snakemake.params.endpoint}
        step = running.progress(len(records), "call")
        requests, files = hosted_requests(records, role, image_set, chat_of(snakemake), step)
    step = running.progress(len(requests), "image")
    save_external_images(scenario, shard, image_set, requests, files, parameters, step)
