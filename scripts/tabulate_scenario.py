"""results/{scenario}/tables/: scores.csv (one row per image and metric), main.csv and strata.csv (columns of
`main_table.MAIN_COLUMNS`; main.csv also fingerprint, phrases and, with `budget: in_tables`, the costs
`costs_of_methods.IN_MAIN`), optimism.csv, judges.csv, main.md and main.tex."""

import csv
from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_frame
from detailscribe.scores.fingerprints import phrase_sources, single_fingerprint
from detailscribe.tables.budget.costs_of_methods import add_costs, decided_methods, read_costs
from detailscribe.tables.main_table import tabulate, tabulate_strata, write_companion_files
from detailscribe.tables.score_table import ScoreTable, score_frame, scores_by_metric
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings, output = parameters_of(snakemake), snakemake.output
    rows = {metric: [] for metric in settings["metrics"]} | scores_by_metric(snakemake.input.scores)
    fingerprints = {metric: single_fingerprint(metric, each) for metric, each in rows.items()}
    sources = {metric: phrase_sources(each) for metric, each in rows.items()}
    with open(snakemake.input.dropped, encoding="utf-8", newline="") as file:
        dropped = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    prompts = read_rows(Path(snakemake.input.prompts))
    frame = score_frame(prompts, set(rows_by_id(snakemake.input.dictionary)), dropped, rows)
    scores = ScoreTable(frame, settings["metrics"])
    costs = [read_costs(file) for file in snakemake.input.costs]
    settings |= {"methods": decided_methods(settings["methods"], costs)}
    table = tabulate(scores, settings["methods"], settings)
    write_frame(Path(output.scores), frame, exact=True)
    made_by = {"fingerprint": table["metric"].map(fingerprints), "phrases": table["metric"].map(sources)}
    table = table.assign(**made_by)
    for each in costs:  # none, unless the tables have them
        table = add_costs(table, each)
    write_frame(Path(output.main), table)
    write_frame(Path(output.strata), tabulate_strata(scores, settings["methods"], settings))
    write_companion_files(output, scores, table, settings, snakemake.wildcards.scenario)
