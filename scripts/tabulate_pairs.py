"""results/{scenario}/tables/: pairs.csv, strengths.csv, rankings.csv (`pair_tables`, `strength_tables`); figure."""

from pathlib import Path

import pandas as pd

from detailscribe.files.rows import read_rows, write_frame
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.saving import save_figures
from detailscribe.tables.judging.pair_tables import PAIR_COLUMNS, pairs_table, position_sentence
from detailscribe.tables.judging.strength_tables import (
    RANKING_COLUMNS,
    STRENGTH_COLUMNS,
    rankings_table,
    strengths_table,
)
from detailscribe.tables.judging.strengths_figure import plot_strengths
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    settings, output = parameters_of(snakemake), snakemake.output
    rows = {judge["name"]: [] for judge in settings["judges"]}
    for file in map(Path, snakemake.input.pairs):
        rows[name_of(file)] += read_rows(file, ("id", "first", "second"))
    main = pd.read_csv(snakemake.input.main)
    tables = {"pairs": [], "strengths": [], "rankings": []}
    for judge, seen in [(each["name"], dict(each["methods"])) for each in settings["judges"]]:
        tables["pairs"].append(pairs_table(judge, rows[judge], list(seen), settings))
        tables["strengths"].append(strengths_table(judge, rows[judge], list(seen), settings["baseline"]))
        tables["rankings"].append(rankings_table(tables["strengths"][-1], main, seen))
    columns = {"pairs": PAIR_COLUMNS, "strengths": STRENGTH_COLUMNS, "rankings": RANKING_COLUMNS}
    for name, frames in tables.items():
        write_frame(Path(output[name]), pd.concat(frames)[columns[name]])
    strengths = pd.concat(tables["strengths"])
    look = Look.read(snakemake.input.look)
    save_figures([output.svg, *output.figures], look, plot_strengths, strengths, snakemake.wildcards.scenario)
    running.say([f"{snakemake.wildcards.scenario}: {position_sentence(table)}" for table in tables["pairs"]])
