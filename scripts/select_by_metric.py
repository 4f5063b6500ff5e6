"""results/{scenario}/selections/{selection}/{shard}.jsonl: the best image of each prompt, as rows of a manifest."""

import json
from pathlib import Path

from detailscribe.files.rows import rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.methods.select import select_images
from detailscribe.scores.scoring import score_shard
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters, records = parameters_of(snakemake), rows_by_id(snakemake.input.prompts)
    candidates = {name_of(path): verified_images(path) for path in snakemake.input.candidates}
    scores = score_shard(
        Path("results"),
        snakemake.wildcards.scenario,
        snakemake.wildcards.shard,
        parameters["metric"],
        records,
        candidates,
        json.loads(Path(snakemake.input.metric).read_text("utf-8")),
        rows_by_id(snakemake.input.phrases[0]) if snakemake.input.phrases else None,
        running.progress(len(records) * len(candidates), "image"),
    )
    chosen = select_images(
        scores, candidates, parameters["candidates"], parameters["metric"], parameters.get("rank", 1)
    )
    write_rows(Path(snakemake.output[0]), chosen)
