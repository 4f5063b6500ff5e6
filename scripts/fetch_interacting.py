"""One InterActing file, with the published digest, in resources/interacting/."""

from pathlib import Path

from detailscribe.prompts.interacting import fetch_prompt_file
from detailscribe.workflow.job import job

with job(snakemake):
    fetch_prompt_file(snakemake.wildcards.file, Path(snakemake.output[0]), snakemake.params.folder)
