"""results/weights/{weights}.json: repository, revision and commit of each repository; the files are on this machine."""

import json
from pathlib import Path

from detailscribe.jobs import job, parameters_of
from detailscribe.records import write_text
from detailscribe.scores import load_metric
from detailscribe.weights import PIPELINE_FILES, fetch_all

with job(snakemake):
    needs = parameters_of(snakemake)
    if "module" in needs:
        repositories = load_metric(needs["module"]).weights(needs)
    else:
        repositories = [(needs["path"], needs["revision"], PIPELINE_FILES)]
    records = [fetch_all(*repository) for repository in repositories]
    table = [{key: record[key] for key in ("repository", "revision", "commit")} for record in records]
    write_text(Path(snakemake.output[0]), json.dumps(table, indent=2) + "\n")
