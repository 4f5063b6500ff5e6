"""results/{scenario}/tables/truncation.csv: id, text, reader, tokens, read; truncation_shares.csv: the same counted."""

from pathlib import Path

from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.records import read_rows, write_csv
from detailscribe.truncation import COLUMNS, SHARES_COLUMNS, image_readers, metric_readers, shares, truncation

with job(snakemake):
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    phrases, texts = {}, {name: {} for name in parameters["texts"]}
    for file in snakemake.input.phrases:
        phrases.update({id: row["phrases"] for id, row in by_id(file).items()})
    for file in map(Path, snakemake.input.texts):
        found = {row["id"]: row["refined_prompt"] for row in read_rows(file) if row["status"] == "ok"}
        texts[file.parent.name].update(found)
    readers = metric_readers(parameters["metrics"])
    rows = truncation(records, texts, phrases, image_readers(parameters["image_model"]), readers)
    write_csv(Path(snakemake.output.tokens), COLUMNS, rows)
    write_csv(Path(snakemake.output.shares), SHARES_COLUMNS, shares(rows))
