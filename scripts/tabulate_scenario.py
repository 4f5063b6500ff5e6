"""results/{scenario}/tables/: scores.csv (one row per image and metric), main.csv and strata.csv (columns of
`main_table.MAIN_COLUMNS`; main.csv also the fingerprint of each metric), optimism.csv, judges.csv, main.md, main.tex."""

import csv
from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import read_rows, rows_by_id, write_frame
from detailscribe.scores.fingerprints import single_fingerprint
from detailscribe.tables import score_table
from detailscribe.tables.judge_agreement import judge_agreement
from detailscribe.tables.main_table import tabulate, tabulate_strata
from detailscribe.tables.markdown_latex import to_latex, to_markdown
from detailscribe.tables.selection_bias import selection_bias
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings = parameters_of(snakemake)
    methods, metrics = settings["methods"], settings["metrics"]
    found = {metric: [] for metric in metrics}
    for file in map(Path, snakemake.input.scores):
        found[file.parent.name] += read_rows(file)
    made_by = {metric: single_fingerprint(metric, rows) for metric, rows in found.items()}
    with open(snakemake.input.dropped, encoding="utf-8", newline="") as file:
        dropped = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    prompts = read_rows(Path(snakemake.input.prompts))
    frame = score_table.score_frame(prompts, set(rows_by_id(snakemake.input.dictionary)), dropped, found)
    scores = score_table.ScoreTable(frame, metrics)
    table = tabulate(scores, methods, settings)
    judges = [metric for metric in metrics if metric.startswith("judge-")]
    for name, rows in (
        ("scores", frame),
        ("main", table.assign(fingerprint=table["metric"].map(made_by))),
        ("strata", tabulate_strata(scores, methods, settings)),
        ("optimism", selection_bias(scores, methods, settings["bootstrap"])),
        ("judges", judge_agreement(scores, judges, table, settings["bootstrap"])),
    ):
        write_frame(Path(snakemake.output[name]), rows, exact=name == "scores")
    title = snakemake.wildcards.scenario
    write_text(Path(snakemake.output.markdown), to_markdown(table, title, settings["notice"], settings))
    write_text(Path(snakemake.output.latex), to_latex(table, title, settings["notice"], settings))
