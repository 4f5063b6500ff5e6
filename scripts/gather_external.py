"""results/{scenario}/images/{external}/{shard}.jsonl (manifest) and the images in {shard}/ beside it."""

from pathlib import Path

from detailscribe.external import ask_for_images, imported_wishes, read_image
from detailscribe.images import make_images
from detailscribe.jobs import chat_of, job, parameters_of
from detailscribe.records import read_rows

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    name = snakemake.wildcards.external
    if snakemake.input.folder:
        wishes, files = imported_wishes(records, parameters, name, parameters)
    else:
        role = parameters | {"endpoint": snakemake.params.endpoint}
        step = running.progress(len(records), "call")
        wishes, files = ask_for_images(records, role, name, chat_of(snakemake), step)
    make_images(
        Path("results"),
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        [name],
        wishes,
        parameters["generation"],
        lambda missing: [read_image(files[wish.id]) for wish in missing],
        {"source": parameters.get("model") or "imported"},
        running.progress(len(wishes), "image"),
    )
