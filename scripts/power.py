"""results/power.csv, power.svg, power.png: prompts, draws, raters and dollars that a difference needs; printed, too."""

from pathlib import Path

from detailscribe.operations.power.power_report import write_power
from detailscribe.study.study import Study
from detailscribe.workflow.job import job
from detailscribe.workflow.parameters import stage_parameters

with job(snakemake) as running:
    study = Study(snakemake.config, Path(snakemake.params.folder))
    running.say(write_power(study, stage_parameters(study)))
