"""Prints what differs from its recorded digest; moves changed images to results/{scenario}/changed/ to be remade."""

from pathlib import Path

from detailscribe.operations.verify import verify_study
from detailscribe.workflow.job import job

with job(snakemake) as running:
    running.say(verify_study(Path("results"), Path("resources"), snakemake.params.scenarios))
