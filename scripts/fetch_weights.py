"""results/weights/{weights}.json: repository, revision and commit of each repository; the files are on this machine."""

import json
from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.scores.model_weights import fetch_model_weights
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    table = fetch_model_weights(parameters_of(snakemake))
    write_text(Path(snakemake.output[0]), json.dumps(table, indent=2) + "\n")
