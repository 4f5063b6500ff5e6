"""results/tables/cost.csv: the cost tables of the study's scenarios, with a scenario column in front."""

from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import atomic_write
from detailscribe.workflow.job import job

with job(snakemake):
    tables = {Path(file).parent.parent.name: pd.read_csv(file, dtype=str) for file in snakemake.input.tables}
    with atomic_write(Path(snakemake.output[0])) as temporary:
        pd.concat(tables, names=["scenario"]).reset_index("scenario").to_csv(temporary, index=False)
