"""results/{scenario}/human/: ratings.csv (rater, id, image_set, rating, file), and main.csv, raters.csv and
reliability.csv (columns in `rating_statistics`)."""

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
    running.say([f"human_scores: {len(merged.ratings)} ratings, {len(merged.missing)} missing"])
    for name, table in rating_tables(parsed, parameters).items():
        write_frame(Path(snakemake.output[name]), table)
