"""results/{scenario}/tables/main.csv: method, selection, metric, n, mean, low95, high95, headline."""

from pathlib import Path

import pandas as pd

from detailscribe.jobs import job, parameters_of
from detailscribe.records import read_rows, replacing
from detailscribe.tables import COLUMNS, tabulate

with job(snakemake):
    parameters = parameters_of(snakemake)
    ids = [row["id"] for row in read_rows(Path(snakemake.input.dictionary))]
    scores = {metric: {} for metric in parameters["metrics"]}
    for file in map(Path, snakemake.input.scores):
        scores[file.parent.name].update({(row["id"], row["image_set"]): row["score"] for row in read_rows(file)})
    rows = tabulate(ids, scores, parameters["methods"], parameters["bootstrap"])
    with replacing(Path(snakemake.output[0])) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).to_csv(temporary, index=False, float_format="%.6f")
