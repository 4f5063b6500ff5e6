"""Says of every model of the study whether its endpoint has it and when it retires; fails where one is gone."""

from datetime import date
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.llm.model_names import read_retirements
from detailscribe.operations.preflight import check_models
from detailscribe.workflow.job import job

with job(snakemake) as running:
    config, asked = snakemake.config, [tuple(each) for each in snakemake.params.models]
    known = read_retirements(Path(snakemake.params.known))
    where = config["endpoints"], config["exchanges"], config["preflight"]
    findings = check_models(asked, *where, known, date.today())
    running.say([*findings.notes, f"{len(set(asked))} models looked at, {len(findings.problems)} problems"])
    if findings.problems:
        raise SetupError(" ".join(findings.problems))
