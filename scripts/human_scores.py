"""results/{scenario}/human/ratings.csv: rater, id, image_set, rating, file; main.csv: method, selection, n, mean."""

import re
from pathlib import Path

import pandas as pd

from detailscribe import human, workbooks
from detailscribe.errors import InputError
from detailscribe.jobs import job, parameters_of
from detailscribe.records import read_rows, replacing


def key_of(code: str) -> list[dict]:
    """The key of a workbook's code; empty for an unknown one."""
    path = Path("resources/human") / snakemake.wildcards.scenario / f"{code}.jsonl"
    return read_rows(path) if re.fullmatch("[0-9a-f]+", code) and path.is_file() else []


with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    filled = dict(zip(parameters["raters"], map(Path, snakemake.input.workbooks), strict=True))
    ratings, missing, defects = workbooks.read_folder(filled, key_of)
    if defects:
        raise InputError("\n".join([f"{len(defects)} defects in the workbooks; mend them and run again", *defects]))
    print(*(f"{place}: no rating" for place in missing), sep="\n")
    running.say([f"human_scores: {len(ratings)} ratings, {len(missing)} missing"])
    for path, rows, columns in (
        (snakemake.output.ratings, ratings, ["rater", "id", "image_set", "rating", "file"]),
        (snakemake.output.table, human.average(ratings, parameters["methods"]), ["method", "selection", "n", "mean"]),
    ):
        with replacing(Path(path)) as temporary:
            pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False, float_format="%.6f")
