"""results/{scenario}/human/: ratings.csv and comments.csv (columns in `human.tables`), and main.csv, raters.csv and
reliability.csv (columns in `rating_statistics`; raters.csv also has cannot_judge)."""

from functools import partial
from pathlib import Path

from detailscribe.files.rows import write_frame
from detailscribe.human.assignment import find_key
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.ratings import merge_ratings, require_no_defects
from detailscribe.human.tables import rating_tables
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    files = dict(zip(parameters["raters"], map(Path, snakemake.input.filled), strict=True))
    parsed = read_filled_sheets(files, partial(find_key, Path("resources/human") / snakemake.wildcards.scenario))
    merged = merge_ratings(parsed.values())
    require_no_defects(merged, "workbooks")
    print(*(f"{location}: no rating" for location in merged.missing), sep="\n")
    tables = rating_tables(parsed, parameters)
    given, cannot = tables["raters"]["n"].sum(), tables["raters"]["cannot_judge"].sum()
    running.say([f"human_scores: {given} ratings, {len(merged.missing)} missing, {cannot} could not be judged"])
    for name, table in tables.items():
        write_frame(Path(snakemake.output[name]), table)
