"""results/{scenario}/human/agreement.csv (columns: `AGREEMENT_COLUMNS`), agreement.svg and .png."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_rows, rows_by_id, write_frame
from detailscribe.human.judges.agreement import metric_agreement, scores_by_file
from detailscribe.tables.figures.agreement import plot_agreement
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.saving import save_figures
from detailscribe.tables.score_table import read_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    dictionary, scores = rows_by_id(snakemake.input.dictionary), read_scores(snakemake.input.scores)
    by_file = scores_by_file(scores, dictionary, parameters["metrics"])
    ratings = pd.read_csv(snakemake.input.ratings).to_dict("records")
    manifests = [row for path in snakemake.input.manifests for row in read_rows(Path(path))]
    digests = {row["file"]: row["sha256"] for row in manifests if row["status"] == "ok"}
    table = metric_agreement(ratings, by_file, digests)
    write_frame(Path(snakemake.output.table), table)
    look = Look.read(snakemake.input.look).in_one_column()
    save_figures(snakemake.output.figures, look, plot_agreement, table, snakemake.wildcards.scenario)
