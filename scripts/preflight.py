"""Prints for every model of the study whether its endpoint has it and when it retires; fails if one is gone."""

from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.operations.preflight import check_configured_models, result_lines
from detailscribe.workflow.job import job

with job(snakemake) as running:
    models = dict.fromkeys(tuple(pair) for pair in snakemake.params.models)
    findings = check_configured_models(models, snakemake.config, Path(snakemake.params.folder))
    results = result_lines(models, snakemake.config["endpoints"], findings)
    running.say([*findings.notes, *results])
    if findings.problems:
        raise SetupError("\n".join(dict.fromkeys(findings.problems)))
