"""Removes outputs that hold a failed row; the next run tries those rows again and keeps the others."""

from pathlib import Path

from detailscribe.jobs import job
from detailscribe.verifying import drop_failed

with job(snakemake) as running:
    removed = [path for scenario in snakemake.params.scenarios for path in drop_failed(Path("results"), scenario)]
    running.say([f"{path}: has failed rows; removed" for path in removed] + [f"{len(removed)} files removed"])
