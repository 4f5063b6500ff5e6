"""results/{scenario}/human/assisted.csv (columns: `human.judges.assisted.ASSISTED_COLUMNS`)."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import rows_by_id, write_frame
from detailscribe.human.judges.agreement import scores_by_file
from detailscribe.human.judges.assisted import assisted_table
from detailscribe.tables.score_table import read_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    dictionary = rows_by_id(snakemake.input.dictionary)
    ratings = pd.read_csv(snakemake.input.ratings, dtype={"id": str}).to_dict("records")
    by_file = scores_by_file(read_scores(snakemake.input.scores), dictionary, parameters["metrics"])
    table = assisted_table(ratings, dictionary, by_file, parameters)
    for reason in table.loc[table["status"] == "refused", "reason"].unique():
        running.say([f"human_assisted: {reason}"])
    write_frame(Path(snakemake.output.table), table)
