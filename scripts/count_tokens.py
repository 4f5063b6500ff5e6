"""results/{scenario}/tables/truncation.csv: id, text, reader, tokens, read; truncation_shares.csv: the same counted."""

from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_csv
from detailscribe.scores.truncation import COLUMNS, SHARES_COLUMNS, image_readers, metric_readers, shares, truncation
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    phrases, texts = {}, {name: {} for name in parameters["texts"]}
    for file in snakemake.input.phrases:
        phrases.update({id: row["phrases"] for id, row in rows_by_id(file).items()})
    for file in map(Path, snakemake.input.texts):
        found = {row["id"]: row["refined_prompt"] for row in read_rows(file) if row["status"] == "ok"}
        texts[file.parent.name].update(found)
    readers = metric_readers(parameters["metrics"])
    rows = truncation(records, texts, phrases, image_readers(parameters["image_model"]), readers)
    write_csv(Path(snakemake.output.tokens), COLUMNS, rows)
    write_csv(Path(snakemake.output.shares), SHARES_COLUMNS, shares(rows))
