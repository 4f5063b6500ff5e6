"""results/{scenario}/tables/published.csv: each published value, ours with its interval, and a verdict."""

from pathlib import Path

import pandas as pd

from detailscribe.jobs import job, parameters_of
from detailscribe.published import COLUMNS, compare
from detailscribe.records import replacing

with job(snakemake):
    parameters = parameters_of(snakemake)
    keys = ("published", "judges", "replaced", "miniature")
    table = pd.read_csv(snakemake.input.table)
    rows = compare(snakemake.wildcards.scenario, table=table, **{key: parameters[key] for key in keys})
    with replacing(Path(snakemake.output[0])) as temporary:
        pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"}).to_csv(temporary, index=False, float_format="%.6f")
