"""results/{scenario}/images/{image_set}/{shard}.jsonl (manifest) and the images in {shard}/ beside it."""

from detailscribe.drawing import Drawing, wishes_from_text
from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.records import read_rows

with job(snakemake) as running:
    drawing = Drawing(parameters_of(snakemake), snakemake.params.offload)
    records = read_rows(snakemake.input.prompts)
    texts = by_id(snakemake.input.texts) if snakemake.input.texts else None
    wishes = wishes_from_text(records, texts, snakemake.wildcards.image_set, drawing)
    drawing.make(snakemake.wildcards, [snakemake.wildcards.image_set], wishes, running.progress(len(wishes), "image"))
