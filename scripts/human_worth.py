"""results/{scenario}/human/worth.csv (columns: `human.judges.worth.WORTH_COLUMNS`)."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_rows, rows_by_id, write_frame
from detailscribe.human.judges.agreement import scores_by_file
from detailscribe.human.judges.worth import PAIR_COLUMNS, worth_table
from detailscribe.tables.score_table import read_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    dictionary = rows_by_id(snakemake.input.dictionary)
    ratings = pd.read_csv(snakemake.input.ratings, dtype={"id": str}).to_dict("records")
    pairs = [
        row for path in snakemake.input.pairs for row in pd.read_csv(path, dtype=str)[PAIR_COLUMNS].to_dict("records")
    ]
    by_file = scores_by_file(read_scores(snakemake.input.scores), dictionary, parameters["metrics"])
    manifests = [row for path in snakemake.input.manifests for row in read_rows(Path(path))]
    digests = {row["file"]: row["sha256"] for row in manifests if row["status"] == "ok"}
    write_frame(Path(snakemake.output.table), worth_table(ratings, pairs, dictionary, by_file, digests, parameters))
