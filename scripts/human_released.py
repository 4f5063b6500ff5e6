"""results/tables/released/: ratings.csv; main.csv (by scenario and `all`), raters.csv and reliability.csv as for
ratings of one's own; published.csv: the paper's human means beside those computed from its ratings."""

from pathlib import Path

from detailscribe.files.rows import write_frame
from detailscribe.human.ratings import require_no_defects
from detailscribe.human.released import released_tables
from detailscribe.human.released_workbooks import read_released
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parsed = read_released(snakemake.params.folder)
    require_no_defects(parsed, "released ratings")
    print(*(f"{location}: no rating" for location in parsed.missing), sep="\n")
    running.say([f"human_released: {len(parsed.ratings)} ratings, {len(parsed.missing)} missing"])
    tables = released_tables(parsed.ratings, parameters_of(snakemake))
    for path in map(Path, snakemake.output):
        write_frame(path, tables[path.stem])
