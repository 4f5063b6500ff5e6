"""results/{scenario}/selections/multi_seed/{shard}.jsonl: id, status, reason, image_set (selected), metric, score."""

from pathlib import Path

from detailscribe.files.rows import read_score_rows, write_rows
from detailscribe.methods.select import select_image
from detailscribe.scores.fingerprints import single_fingerprint
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    scores = read_score_rows(snakemake.input.scores)
    single_fingerprint(parameters["metric"], scores)
    write_rows(Path(snakemake.output[0]), select_image(scores, parameters["candidates"], parameters["metric"]))
