"""results/{scenario}/tables/scores.parquet and images.parquet: columns of `tables/parquet/columns.py`."""

from pathlib import Path

from detailscribe.tables.parquet.rows import Prompts
from detailscribe.tables.parquet.scenario_tables import write_images, write_scores
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    scenario, order, output = snakemake.wildcards.scenario, parameters_of(snakemake), snakemake.output
    prompts = Prompts(Path(snakemake.input.prompts), Path(snakemake.input.table))
    write_scores(Path(output.scores), scenario, [Path(file) for file in snakemake.input.scores], prompts, order)
    write_images(Path(output.images), scenario, [Path(file) for file in snakemake.input.manifests], prompts, order)
