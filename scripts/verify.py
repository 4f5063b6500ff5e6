"""Prints what differs from its recorded digest; moves it to results/changed/ or results/{scenario}/changed/."""

from pathlib import Path

from detailscribe.operations.verify import verify_study
from detailscribe.workflow.job import job

with job(snakemake) as running:
    running.say(verify_study(Path("results"), Path("resources"), snakemake.params.scenarios))
