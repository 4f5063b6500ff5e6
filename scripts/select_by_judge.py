"""results/{scenario}/selections/{selection}/{shard}.jsonl: the best image of each prompt, as rows of a manifest."""

import json
from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.methods.select import select_images
from detailscribe.scores.judges.marks import judge_images
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters, judge = parameters_of(snakemake), json.loads(Path(snakemake.input.judge).read_text("utf-8"))
    records = read_rows(Path(snakemake.input.prompts))
    candidates = {name_of(path): verified_images(path) for path in snakemake.input.candidates}
    step = running.progress(len(records) * len(candidates), "image")
    role = judge | {"endpoint": snakemake.params.endpoint}
    scores = judge_images(records, candidates, role, chat_of(snakemake), step, snakemake.wildcards.scenario)
    chosen = select_images(
        scores, candidates, parameters["candidates"], parameters["metric"], parameters.get("rank", 1)
    )
    write_rows(Path(snakemake.output[0]), chosen)
