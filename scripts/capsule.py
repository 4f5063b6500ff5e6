"""results/capsule.zip: the finished scenarios of the study, sealed."""

from pathlib import Path

from detailscribe.capsule.layout import DEFAULT_CAPSULE
from detailscribe.capsule.make import make_capsule
from detailscribe.workflow.job import job
from detailscribe.workflow.parameters import stage_parameters

with job(snakemake) as running:
    running.say(make_capsule(Path(DEFAULT_CAPSULE), Path(snakemake.params.folder), snakemake.config, stage_parameters))
