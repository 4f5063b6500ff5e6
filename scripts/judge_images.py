"""results/{scenario}/scores/judge-{judge}/{shard}.jsonl: id, image_set, score or null, status, reason, fingerprint."""

from pathlib import Path

from detailscribe.jobs import chat_of, image_set_of, job, parameters_of, pictures
from detailscribe.judging import judge
from detailscribe.records import read_rows, write_rows

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    image_sets = {image_set_of(path): pictures(path) for path in snakemake.input.manifests}
    step = running.progress(len(records) * len(image_sets), "image")
    role = parameters | {"endpoint": snakemake.params.endpoint}
    rows = judge(records, image_sets, role, chat_of(snakemake), step, snakemake.wildcards.scenario)
    write_rows(Path(snakemake.output[0]), rows)
