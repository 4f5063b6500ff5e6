"""results/{scenario}/human/: ratings.csv (rater, id, image_set, rating, file), main.csv, raters.csv and reliability.csv
(columns of `human_tables.MAIN`, RATERS and RELIABILITY)."""

import re
from pathlib import Path

import pandas as pd

from detailscribe.errors import InputError
from detailscribe.files.rows import read_rows, write_frame
from detailscribe.human import tables, workbook
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job


def key_of(code: str) -> list[dict]:
    """The key of a workbook's code; empty for an unknown one."""
    path = Path("resources/human") / snakemake.wildcards.scenario / f"{code}.jsonl"
    return read_rows(path) if re.fullmatch("[0-9a-f]+", code) and path.is_file() else []


with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    filled = dict(zip(parameters["raters"], map(Path, snakemake.input.filled), strict=True))
    found = workbook.read_folder(filled, key_of)
    ratings, missing, defects = ([entry for parts in found.values() for entry in parts[part]] for part in range(3))
    if defects:
        raise InputError("\n".join([f"{len(defects)} defects in the workbooks; mend them and run again", *defects]))
    print(*(f"{place}: no rating" for place in missing), sep="\n")
    running.say([f"human_scores: {len(ratings)} ratings, {len(missing)} missing"])
    shown = {rater: len(found[rater][0]) + len(found[rater][1]) for rater in filled}
    tables = {
        "ratings": pd.DataFrame(ratings, columns=["rater", "id", "image_set", "rating", "file"]),
        "main": tables.average(ratings, parameters["methods"], parameters["bootstrap"], parameters["ties_win"]),
        "raters": tables.raters(ratings, shown),
        "reliability": tables.reliability(ratings, parameters["bootstrap"]),
    }
    for name, table in tables.items():
        write_frame(Path(snakemake.output[name]), table)
