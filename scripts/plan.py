"""Says per stage and in total what a run of the study would make and why, in GPU hours, calls, tokens and dollars."""

from pathlib import Path

from detailscribe.llm.budget import read_spending
from detailscribe.operations.estimate import plan_text
from detailscribe.operations.plan import plan_study
from detailscribe.study.study import Study
from detailscribe.workflow.job import job

with job(snakemake) as running:
    config = snakemake.config
    plan = plan_study(Study(config, Path(snakemake.params.folder)))
    spent = sum(row["cost_usd"] or 0 for row in read_spending(Path("resources/exchanges")))
    lines = [*plan_text(plan), f"Spent so far: {spent:.4f} dollars."]
    if config["budget_usd"] is not None:
        lines.append(f"Budget: {config['budget_usd']:g} dollars; a run stops before it spends more.")
    running.say(lines)
