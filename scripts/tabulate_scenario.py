"""results/{scenario}/tables/: scores.csv (a row an image and metric), main.csv and strata.csv (columns of
`tables.COLUMNS`; main.csv with the fingerprint of each metric), optimism.csv, judges.csv, main.md and main.tex."""

import csv
from pathlib import Path

from detailscribe import score_table
from detailscribe.fingerprints import one_fingerprint
from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.judge_bridge import bridge
from detailscribe.optimism import optimism
from detailscribe.paper_tables import latex, markdown
from detailscribe.records import read_rows, write_frame, write_text
from detailscribe.tables import by_stratum, tabulate

with job(snakemake):
    settings = parameters_of(snakemake)
    methods, metrics = settings["methods"], settings["metrics"]
    found = {metric: [] for metric in metrics}
    for file in map(Path, snakemake.input.scores):
        found[file.parent.name] += read_rows(file)
    made_by = {metric: one_fingerprint(metric, rows) for metric, rows in found.items()}
    with open(snakemake.input.dropped, encoding="utf-8", newline="") as file:
        dropped = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    prompts = read_rows(Path(snakemake.input.prompts))
    frame = score_table.gather(prompts, set(by_id(snakemake.input.dictionary)), dropped, found)
    scores = score_table.Scores(frame, metrics)
    table = tabulate(scores, methods, settings)
    judges = [metric for metric in metrics if metric.startswith("judge-")]
    for name, rows in (
        ("scores", frame),
        ("main", table.assign(fingerprint=table["metric"].map(made_by))),
        ("strata", by_stratum(scores, methods, settings)),
        ("optimism", optimism(scores, methods, settings["bootstrap"])),
        ("judges", bridge(scores, judges, table, settings["bootstrap"])),
    ):
        write_frame(Path(snakemake.output[name]), rows, exact=name == "scores")
    title = snakemake.wildcards.scenario
    write_text(Path(snakemake.output.markdown), markdown(table, title, settings["notice"], settings))
    write_text(Path(snakemake.output.latex), latex(table, title, settings["notice"], settings))
