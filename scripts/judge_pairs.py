"""results/{scenario}/pairs/{judge}/{shard}.jsonl: id, first, second (methods), value, choice, status, identical."""

from pathlib import Path

from detailscribe.files.rows import read_rows, read_score_rows, write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.scores.judges.pairs import images_of_methods, judge_pairs
from detailscribe.study.judging.pair_schedule import scheduled_pairs
from detailscribe.workflow.inputs import name_of, parameters_of
from detailscribe.workflow.job import chat_of, job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    records = read_rows(Path(snakemake.input.prompts))
    manifests = {name_of(path): verified_images(path) for path in snakemake.input.manifests}
    scores = [row for path in snakemake.input.selectors for row in read_score_rows(path)]
    candidates, schedule = dict(parameters["methods"]), parameters["schedule"]
    images = images_of_methods(records, candidates, manifests, scores, parameters["by"])
    pairs = sum(len(scheduled_pairs(record["id"], list(candidates), schedule)) for record in records)
    role = parameters | {"endpoint": snakemake.params.endpoint}
    step = running.progress(2 * pairs * parameters["draws"], "question")
    rows = judge_pairs(records, images, role, chat_of(snakemake), step, snakemake.wildcards.scenario)
    write_rows(Path(snakemake.output[0]), rows)
