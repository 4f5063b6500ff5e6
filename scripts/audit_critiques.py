"""results/{scenario}/audits/{judge}/{shard}.jsonl: id, critic, image_set, when (before, after or control), k, number,
remark, value (1: the fault is there) or null, status, reason, draws, exchange, fingerprint."""

from pathlib import Path

from detailscribe.files.rows import read_rows, rows_by_id, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.scores.judges.audit import audit_critiques, count_questions
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    role = parameters_of(snakemake) | {"endpoint": snakemake.params.endpoint}
    records = read_rows(Path(snakemake.input.prompts))
    critiques = {name_of(path): rows_by_id(path) for path in snakemake.input.critiques}
    images = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    step = running.progress(count_questions(records, critiques, role), "question")
    chat, scenario = chat_of(snakemake), snakemake.wildcards.scenario
    write_rows(Path(snakemake.output[0]), audit_critiques(records, critiques, images, role, chat, step, scenario))
