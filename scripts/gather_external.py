"""results/{scenario}/images/{external}/{shard}.jsonl (manifest) and the images in {shard}/ beside it."""

from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.images.image_set import make_images
from detailscribe.methods.external import ask_for_images, imported_requests, read_image
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    name = snakemake.wildcards.external
    if snakemake.input.folder:
        image_requests, files = imported_requests(records, parameters, name, parameters)
    else:
        role = parameters | {"endpoint": snakemake.params.endpoint}
        step = running.progress(len(records), "call")
        image_requests, files = ask_for_images(records, role, name, chat_of(snakemake), step)
    make_images(
        Path("results"),
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [name],
        image_requests,
        parameters["generation"],
        lambda missing: [read_image(files[image_request.id]) for image_request in missing],
        {"source": parameters.get("model") or "imported"},
        running.progress(len(image_requests), "image"),
    )
