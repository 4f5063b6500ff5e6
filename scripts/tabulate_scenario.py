"""results/{scenario}/tables/main.csv: method, selection, metric, n, mean, low95, high95, headline, fingerprint."""

from pathlib import Path

import pandas as pd

from detailscribe.fingerprints import one_fingerprint
from detailscribe.jobs import job, parameters_of
from detailscribe.records import read_rows, replacing
from detailscribe.tables import COLUMNS, tabulate

with job(snakemake):
    parameters = parameters_of(snakemake)
    ids = [row["id"] for row in read_rows(Path(snakemake.input.dictionary))]
    scored = {metric: [] for metric in parameters["metrics"]}
    for file in map(Path, snakemake.input.scores):
        scored[file.parent.name] += read_rows(file)
    made_by = {metric: one_fingerprint(metric, rows) for metric, rows in scored.items()}
    scores = {metric: {(row["id"], row["image_set"]): row["score"] for row in rows} for metric, rows in scored.items()}
    rows = tabulate(ids, scores, parameters["methods"], parameters["bootstrap"])
    table = pd.DataFrame(rows, columns=COLUMNS)
    with replacing(Path(snakemake.output[0])) as temporary:
        table.assign(fingerprint=table["metric"].map(made_by)).to_csv(temporary, index=False, float_format="%.6f")
