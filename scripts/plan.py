"""Says per stage and in total what a run of the study would make and why, in GPU hours, calls, tokens and dollars."""

from pathlib import Path

from detailscribe.jobs import job
from detailscribe.planning import plan_study
from detailscribe.reckoning import plan_text
from detailscribe.spending import read_spending
from detailscribe.study import Study

with job(snakemake) as running:
    config = snakemake.config
    plan = plan_study(Study(config, Path(snakemake.params.folder)))
    spent = sum(row["cost_usd"] or 0 for row in read_spending(Path("resources/exchanges")))
    lines = [*plan_text(plan), f"Spent so far: {spent:.4f} dollars."]
    if config["budget_usd"] is not None:
        lines.append(f"Budget: {config['budget_usd']:g} dollars; a run stops before it spends more.")
    running.say(lines)
