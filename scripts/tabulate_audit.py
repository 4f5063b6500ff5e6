"""results/{scenario}/tables/critique_audit.csv: columns of `audit_table.AUDIT_COLUMNS`, per critic and image set."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_rows, write_frame
from detailscribe.study.stages import KEY_OF_FOLDER
from detailscribe.tables.judging.audit_table import AUDIT_COLUMNS, audit_table
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    rows = {name: [] for name in parameters_of(snakemake)["judges"]}
    for file in map(Path, snakemake.input.audits):
        rows[name_of(file)] += read_rows(file, KEY_OF_FOLDER["audits"])
    tables = [audit_table(name, of_judge) for name, of_judge in rows.items()]
    write_frame(Path(snakemake.output[0]), pd.concat(tables)[AUDIT_COLUMNS])
