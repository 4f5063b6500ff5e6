"""results/{scenario}/scores/judge-{judge}/{shard}.jsonl of a judge that is asked about parts: id, image_set, score and
geometric or null, status, reason, parts (text, kind, value, status), draws, exchange, fingerprint."""

from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.scores.judges.parts import judge_parts
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters, parts = parameters_of(snakemake), rows_by_id(snakemake.input.parts)
    records = read_rows(Path(snakemake.input.prompts))
    image_sets = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    questions = sum(len(parts[record["id"]]["parts"]) for record in records)
    step = running.progress(questions * len(image_sets) * parameters["draws"], "question")
    role = parameters | {"endpoint": snakemake.params.endpoint}
    rows = judge_parts(records, image_sets, parts, role, chat_of(snakemake), step, snakemake.wildcards.scenario)
    write_rows(Path(snakemake.output[0]), rows)
