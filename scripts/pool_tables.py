"""results/tables/: main.csv (the tables of the study's scenarios, with a scenario column in front), pooled.csv (one
table of all their prompts together, for a paper also as pooled.md and pooled.tex), optimism.csv, judges.csv."""

from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.rows import write_frame
from detailscribe.scores.fingerprints import single_fingerprint
from detailscribe.tables import score_table
from detailscribe.tables.judge_agreement import judge_agreement
from detailscribe.tables.main_table import tabulate
from detailscribe.tables.markdown_latex import to_latex, to_markdown
from detailscribe.tables.selection_bias import selection_bias
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings = parameters_of(snakemake)
    methods, metrics = settings["methods"], settings["metrics"]
    tables = {Path(file).parent.parent.name: pd.read_csv(file, dtype=str) for file in snakemake.input.tables}
    joined = pd.concat(tables, names=["scenario"]).reset_index("scenario")
    for metric, rows in joined.rename(columns={"mean": "score"}).dropna(subset="fingerprint").groupby("metric"):
        single_fingerprint(metric, rows.to_dict("records"))
    with atomic_write(Path(snakemake.output.main)) as temporary:
        joined.to_csv(temporary, index=False)
    frames = []
    for file in map(Path, snakemake.input.scores):
        frame = score_table.read_scores(file)
        frames.append(frame.assign(id=file.parent.parent.name + "/" + frame["id"]))  # two may hold the same prompt
    scores = score_table.ScoreTable(pd.concat(frames, ignore_index=True), metrics)
    table = tabulate(scores, methods, settings)
    judges = [metric for metric in metrics if metric.startswith("judge-")]
    write_frame(Path(snakemake.output.pooled), table)
    write_frame(Path(snakemake.output.optimism), selection_bias(scores, methods, settings["bootstrap"]))
    write_frame(Path(snakemake.output.judges), judge_agreement(scores, judges, table, settings["bootstrap"]))
    title = " + ".join(settings["scenarios"])
    write_text(Path(snakemake.output.markdown), to_markdown(table, title, settings["notice"], settings))
    write_text(Path(snakemake.output.latex), to_latex(table, title, settings["notice"], settings))
