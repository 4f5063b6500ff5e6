"""results/{scenario}/tables/cost.csv: stage, name, model, served_model, batch, calls, tokens, cost_usd, unpriced."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.operations.costs import cost_csv, cost_rows
from detailscribe.workflow.job import job

with job(snakemake):
    outputs = [Path(file) for file in snakemake.input.outputs]
    written = [Path(file) for file in snakemake.input.written]
    write_text(Path(snakemake.output[0]), cost_csv(cost_rows(outputs, Path("resources/exchanges"), written)))
