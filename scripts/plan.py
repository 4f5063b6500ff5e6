"""Prints what a run of the study would make and why, with GPU hours, calls, tokens and dollars per stage."""

from pathlib import Path

from detailscribe.operations.plan.report import plan_report
from detailscribe.operations.plan.study_plan import plan_study
from detailscribe.study.study import Study
from detailscribe.workflow.job import job
from detailscribe.workflow.parameters import stage_parameters

with job(snakemake) as running:
    study = Study(snakemake.config, Path(snakemake.params.folder))
    running.say(plan_report(plan_study(study, stage_parameters(study))))
