"""results/{scenario}/selections/{selection}/{shard}.jsonl: the best image of each prompt, as rows of a manifest."""

import json
from pathlib import Path

from detailscribe.engines.machine.hardware import processor_name
from detailscribe.engines.machine.speeds import JobSpeeds
from detailscribe.engines.metric_weights import metric_identity
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.images.seconds import add_score_seconds
from detailscribe.methods.select import select_images
from detailscribe.scores import load_metric
from detailscribe.scores.scoring import score_images
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters, settings = parameters_of(snakemake), json.loads(Path(snakemake.input.metric).read_text("utf-8"))
    metric, records = parameters["metric"], rows_by_id(snakemake.input.prompts)
    candidates = {name_of(path): verified_images(path) for path in snakemake.input.candidates}
    scenario, shard, speeds = snakemake.wildcards.scenario, snakemake.wildcards.shard, JobSpeeds()
    scores = score_images(
        records,
        candidates,
        settings,
        metric_identity(settings),
        load_metric(settings["module"]),
        Ledger(Path(f"results/{scenario}/ledgers/scores/{metric}/{shard}.jsonl")),
        running.progress(len(records) * len(candidates), "image"),
        rows_by_id(snakemake.input.phrases[0]) if snakemake.input.phrases else None,
        speeds=speeds,
    )
    speeds.record(Path("results"), processor_name)
    add_score_seconds(Path("results", scenario), metric, shard, settings, speeds, processor_name)
    write_rows(
        Path(snakemake.output[0]),
        select_images(scores, candidates, parameters["candidates"], metric, parameters.get("rank", 1)),
    )
