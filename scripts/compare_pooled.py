"""results/tables/published.csv: the paper's numbers over all prompts, ours with the interval, and a verdict."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import write_frame
from detailscribe.tables.published import COLUMNS, compare
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    keys = ("published", "judges", "replaced", "miniature", "whole")
    rows = compare("all", table=pd.read_csv(snakemake.input.table), **{key: parameters[key] for key in keys})
    write_frame(Path(snakemake.output[0]), pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"}))
