"""results/{scenario}/selections/multi_seed/{shard}.jsonl: id, status, reason, image_set (the pick), metric, score."""

from pathlib import Path

from detailscribe.fingerprints import one_fingerprint
from detailscribe.jobs import job, parameters_of
from detailscribe.records import read_rows, write_rows
from detailscribe.scoring import select_image

with job(snakemake):
    parameters = parameters_of(snakemake)
    scores = read_rows(Path(snakemake.input.scores))
    one_fingerprint(parameters["metric"], scores)
    write_rows(Path(snakemake.output[0]), select_image(scores, parameters["candidates"], parameters["metric"]))
