"""results/tables/cost.csv: the cost tables of the study's scenarios, with a scenario column in front."""

from pathlib import Path

import pandas as pd

from detailscribe.jobs import job
from detailscribe.records import replacing

with job(snakemake):
    tables = {Path(file).parent.parent.name: pd.read_csv(file, dtype=str) for file in snakemake.input.tables}
    with replacing(Path(snakemake.output[0])) as temporary:
        pd.concat(tables, names=["scenario"]).reset_index("scenario").to_csv(temporary, index=False)
