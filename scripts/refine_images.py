"""Manifest and images of every candidate of one critic: results/{scenario}/images/{critic}-k{k}/{shard}."""

from detailscribe.drawing import Drawing, wishes_from_critiques
from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.records import read_rows

with job(snakemake) as running:
    drawing = Drawing(parameters_of(snakemake), snakemake.params.offload)
    records = read_rows(snakemake.input.prompts)
    wishes = wishes_from_critiques(records, by_id(snakemake.input.critiques), drawing)
    drawing.make(
        snakemake.wildcards, list(drawing.parameters["candidates"]), wishes, running.progress(len(wishes), "image")
    )
