"""results/{scenario}/human/worth.csv (columns: `human.judges.worth.WORTH_COLUMNS`)."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_rows, rows_by_id, write_frame
from detailscribe.human.judges.agreement import scores_by_file
from detailscribe.human.judges.worth import worth_table
from detailscribe.tables.score_table import read_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    dictionary = rows_by_id(snakemake.input.dictionary)
    ratings, choices = (
        [row for path in paths for row in pd.read_csv(path, dtype={"id": str}).to_dict("records")]
        for paths in (snakemake.input.ratings, snakemake.input.choices)
    )
    judged = {name: list[dict]() for name in parameters["judges_of_pairs"]}
    for path in map(Path, snakemake.input.judged):
        judged[path.parent.name] += read_rows(path)
    by_file = scores_by_file(read_scores(snakemake.input.scores), dictionary, parameters["metrics"])
    manifests = [row for path in snakemake.input.manifests for row in read_rows(Path(path))]
    digests = {row["file"]: row["sha256"] for row in manifests if row["status"] == "ok"}
    table = worth_table(ratings, choices, by_file, judged, dictionary, digests, parameters)
    write_frame(Path(snakemake.output.table), table)
