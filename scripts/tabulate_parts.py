"""results/{scenario}/tables/parts.csv: columns of `parts_table.PARTS_COLUMNS`, a row per judge, image set and kind."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_score_rows, rows_by_id, write_frame
from detailscribe.tables.judging.parts_table import PARTS_COLUMNS, parts_table
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings, ids = parameters_of(snakemake), list(rows_by_id(snakemake.input.dictionary))
    rows = {name: [] for name in settings["judges"]}
    for file in map(Path, snakemake.input.scores):
        rows[name_of(file).removeprefix("judge-")] += read_score_rows(file)
    tables = [parts_table(name, of_judge, ids, settings) for name, of_judge in rows.items()]
    write_frame(Path(snakemake.output[0]), pd.concat(tables)[PARTS_COLUMNS])
