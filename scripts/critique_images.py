"""results/{scenario}/critiques/{critic}/{shard}.jsonl: id, status, reason, critique, refined_prompt."""

from pathlib import Path

from detailscribe.jobs import by_id, chat_of, job, parameters_of, pictures
from detailscribe.language import critique
from detailscribe.records import read_rows, write_rows

with job(snakemake) as running:
    records = read_rows(Path(snakemake.input.prompts))
    parts = by_id(snakemake.input.decompositions) if snakemake.input.decompositions else None
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    step = running.progress(len(records), "image")
    rows = critique(records, pictures(snakemake.input.images), parts, role, chat_of(snakemake), step)
    write_rows(Path(snakemake.output[0]), rows)
