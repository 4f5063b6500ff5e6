"""results/{scenario}/tables/cost.csv: stage, name, model, served_model, batch, calls, tokens, cost_usd, unpriced."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.operations.costs import cost_rows, cost_text
from detailscribe.workflow.job import job

with job(snakemake):
    stages = ("decompositions", "critiques", "rewrites", "external", "judges")
    outputs = [Path(file) for stage in stages for file in snakemake.input.get(stage)]
    write_text(Path(snakemake.output[0]), cost_text(cost_rows(outputs, Path("resources/exchanges"))))
