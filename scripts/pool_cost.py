"""results/tables/cost.csv: the cost tables of the study's scenarios, with a scenario column in front."""

from pathlib import Path

from detailscribe.files.atomic import atomic_write
from detailscribe.tables.pooled import joined_tables
from detailscribe.workflow.job import job

with job(snakemake):
    tables = joined_tables([Path(file) for file in snakemake.input.tables])
    with atomic_write(Path(snakemake.output[0])) as temporary:
        tables.to_csv(temporary, index=False)
