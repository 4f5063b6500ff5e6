"""results/{scenario}/tables/truncation.csv: id, text, reader, tokens, read; truncation_shares.csv: its summary."""

from pathlib import Path

from detailscribe.files.rows import write_csv
from detailscribe.scores.truncation import SHARES_COLUMNS, TOKEN_COLUMNS, count_scenario_tokens, truncation_shares
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    inputs = snakemake.input
    rows = count_scenario_tokens(parameters_of(snakemake), inputs.prompts, inputs.phrases, inputs.texts)
    write_csv(Path(snakemake.output.tokens), TOKEN_COLUMNS, rows)
    write_csv(Path(snakemake.output.shares), SHARES_COLUMNS, truncation_shares(rows))
