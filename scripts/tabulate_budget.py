"""results/{scenario}/tables/budget.csv: each method's costs, and its score against best of N at equal cost; figure."""

from pathlib import Path

from detailscribe.files.rows import write_frame
from detailscribe.tables.budget.budget_figure import plot_budget
from detailscribe.tables.budget.budget_table import tabulate_budget
from detailscribe.tables.budget.costs_of_methods import read_costs
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.saving import save_figures
from detailscribe.tables.score_table import ScoreTable, read_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings, output = parameters_of(snakemake), snakemake.output
    scores = ScoreTable(read_scores(snakemake.input.scores), settings["metrics"])
    table = tabulate_budget(scores, read_costs(snakemake.input.costs), settings)
    write_frame(Path(output.table), table)
    look = Look.read(snakemake.input.look)
    save_figures([output.svg, *output.figures], look, plot_budget, table, snakemake.wildcards.scenario)
