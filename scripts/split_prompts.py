"""results/{scenario}/prompts.jsonl (id, topic, prompt; sorted by id) and the same rows divided into shards/."""

from pathlib import Path

from detailscribe.study.study import Study
from detailscribe.workflow.job import job
from detailscribe.workflow.shard_files import write_prompts

with job(snakemake):
    study = Study(snakemake.config, Path(snakemake.scriptdir).parent)
    write_prompts(study, snakemake.params.scenario)
