"""Removes outputs that hold a failed row; the next run retries those rows and keeps the others."""

from pathlib import Path

from detailscribe.operations.outputs import remove_failed
from detailscribe.workflow.job import job

with job(snakemake) as running:
    running.say(remove_failed(Path("results"), snakemake.params.scenarios))
