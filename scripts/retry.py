"""Removes outputs that hold a failed row, or one of `retry_statuses`; the next run makes those rows again."""

from pathlib import Path

from detailscribe.operations.retry import remove_for_retry
from detailscribe.workflow.job import job

with job(snakemake) as running:
    statuses, mode = snakemake.config.get("retry_statuses", ["failed"]), snakemake.config["exchanges"]
    store = Path("resources/exchanges")
    running.say(remove_for_retry(Path("results"), snakemake.params.scenarios, statuses, store, mode))
