"""One InterActing file, with the published digest, in resources/interacting/."""

from pathlib import Path

from detailscribe.interacting import fetch
from detailscribe.jobs import job

with job(snakemake):
    fetch(snakemake.wildcards.file, Path(snakemake.output[0]), snakemake.params.folder)
