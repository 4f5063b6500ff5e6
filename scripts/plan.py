"""Says per stage and in total what a run of the study would make and why, in GPU hours, calls, tokens and dollars."""

from pathlib import Path

from detailscribe.llm.spend_log import read_spending
from detailscribe.operations.estimate import plan_text
from detailscribe.operations.plan import plan_study
from detailscribe.study.study import Study
from detailscribe.workflow.job import job
from detailscribe.workflow.parameters import stage_parameters

with job(snakemake) as running:
    config = snakemake.config
    study = Study(config, Path(snakemake.params.folder))
    plan = plan_study(study, stage_parameters(study))
    spent = sum(row["cost_usd"] or 0 for row in read_spending(Path("resources/exchanges")))
    lines = [*plan_text(plan), f"Spent so far: {spent:.4f} dollars."]
    if config["budget_usd"] is not None:
        lines.append(f"Budget: {config['budget_usd']:g} dollars; a run stops before it spends more.")
    running.say(lines)
