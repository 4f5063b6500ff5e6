"""results/{scenario}/tables/judge_repeats.csv: judge, image_set, images, draws, unreadable, mean_sd, same_share."""

from pathlib import Path

from detailscribe.files.rows import read_score_rows, write_csv
from detailscribe.tables.judge_repeats import REPEATS_COLUMNS, judge_repeats
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    judges = {name: [] for name in parameters_of(snakemake)["judges"]}
    for file in map(Path, snakemake.input.scores):
        judges[file.parent.name] += read_score_rows(file)
    write_csv(Path(snakemake.output[0]), REPEATS_COLUMNS, judge_repeats(judges))
