"""results/publish/: the capsule with metadata, checksums and Parquet tables, ready for a data repository."""

from pathlib import Path

from detailscribe.capsule.layout import DEFAULT_CAPSULE
from detailscribe.capsule.publish.folder import publish
from detailscribe.workflow.job import job

with job(snakemake) as running:
    running.say(publish(Path(DEFAULT_CAPSULE), Path("results/publish"), Path(snakemake.params.folder)))
