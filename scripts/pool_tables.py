"""results/tables/main.csv: the tables of the study's scenarios, with a scenario column in front."""

from pathlib import Path

import pandas as pd

from detailscribe.fingerprints import one_fingerprint
from detailscribe.jobs import job
from detailscribe.records import replacing

with job(snakemake):
    tables = {Path(file).parent.parent.name: pd.read_csv(file, dtype=str) for file in snakemake.input.tables}
    pooled = pd.concat(tables, names=["scenario"]).reset_index("scenario")
    for metric, rows in pooled.rename(columns={"mean": "score"}).dropna(subset="fingerprint").groupby("metric"):
        one_fingerprint(metric, rows.to_dict("records"))
    with replacing(Path(snakemake.output[0])) as temporary:
        pooled.to_csv(temporary, index=False)
