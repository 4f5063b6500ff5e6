"""results/tables/: main.csv (the tables of the study's scenarios, with a scenario column in front), pooled.csv (one
table over all their prompts; also as pooled.md and pooled.tex), optimism.csv, judges.csv."""

from pathlib import Path

from detailscribe.files.atomic import atomic_write
from detailscribe.files.rows import write_frame
from detailscribe.scores.fingerprints import single_fingerprint
from detailscribe.tables.budget.costs_of_methods import decided_methods, read_costs
from detailscribe.tables.main_table import tabulate, write_companion_files
from detailscribe.tables.pooled import joined_tables, phrase_sources_of, pooled_scores
from detailscribe.tables.score_table import ScoreTable
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    settings = parameters_of(snakemake)
    joined = joined_tables([Path(file) for file in snakemake.input.tables])
    for metric, rows in joined.rename(columns={"mean": "score"}).dropna(subset="fingerprint").groupby("metric"):
        single_fingerprint(metric, rows.to_dict("records"))
    with atomic_write(Path(snakemake.output.main)) as temporary:
        joined.to_csv(temporary, index=False)
    scores = ScoreTable(pooled_scores([Path(file) for file in snakemake.input.scores]), settings["metrics"])
    costs = [read_costs(file) for file in snakemake.input.costs]
    settings |= {"methods": decided_methods(settings["methods"], costs)}
    table = tabulate(scores, settings["methods"], settings)
    table = table.assign(phrases=table["metric"].map(phrase_sources_of(joined)))
    write_frame(Path(snakemake.output.pooled), table)
    write_companion_files(snakemake.output, scores, table, settings, " + ".join(settings["scenarios"]))
