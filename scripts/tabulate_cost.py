"""results/{scenario}/tables/cost.csv: stage, name, model, served_model, batch, calls, tokens, cost_usd, unpriced."""

from pathlib import Path

from detailscribe.costing import cost_rows, cost_text
from detailscribe.jobs import job
from detailscribe.records import write_text

with job(snakemake):
    stages = ("decompositions", "critiques", "rewrites", "external", "judges")
    outputs = [Path(file) for stage in stages for file in snakemake.input.get(stage)]
    write_text(Path(snakemake.output[0]), cost_text(cost_rows(outputs, Path("resources/exchanges"))))
