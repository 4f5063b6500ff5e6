"""results/weights/{weights}.json: repository, revision and commit of each repository; the files are on this machine."""

import json
from pathlib import Path

from detailscribe.engines.download import PIPELINE_FILES, fetch_address, fetch_repository
from detailscribe.files.atomic import write_text
from detailscribe.scores import load_metric
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    needs = parameters_of(snakemake)
    if "module" in needs:
        places = load_metric(needs["module"]).weights(needs)
    else:
        places = [{"repository": needs["path"], "revision": needs["revision"], "files": PIPELINE_FILES}]
    records = [fetch_address(place["address"]) if "address" in place else fetch_repository(**place) for place in places]
    table = [{key: record[key] for key in ("repository", "revision", "commit")} for record in records]
    write_text(Path(snakemake.output[0]), json.dumps(table, indent=2) + "\n")
