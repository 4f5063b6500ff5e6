"""results/{scenario}/figures/: differences, main, wins and compute, as SVG and PNG; in one_column/ the same, narrow."""

import pandas as pd

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.plot import save_scenario
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    values = pd.read_csv(snakemake.input.table), snakemake.wildcards.scenario, parameters_of(snakemake)["steps"]
    save_scenario(snakemake.output, *values, Look.read(snakemake.input.look))
