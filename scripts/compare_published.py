"""results/{scenario}/tables/published.csv, or results/tables/published.csv over all prompts: each published value, ours
with its interval, and a verdict."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import write_frame
from detailscribe.tables.published import PUBLISHED_COLUMNS, compare_with_published
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    keys = ("published", "judges", "replaced", "miniature", "whole")
    scenario = snakemake.wildcards.get("scenario", "all")
    table = pd.read_csv(snakemake.input.table)
    rows = compare_with_published(scenario, table=table, **{key: parameters[key] for key in keys})
    write_frame(Path(snakemake.output[0]), pd.DataFrame(rows, columns=PUBLISHED_COLUMNS).astype({"n": "Int64"}))
