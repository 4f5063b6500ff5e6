"""results/{scenario}/prompts.jsonl (id, topic, prompt; sorted by id) and the same rows divided into shards/."""

from pathlib import Path

from detailscribe.jobs import job
from detailscribe.layout import write_prompts
from detailscribe.study import Study

with job(snakemake):
    study = Study(snakemake.config, Path(snakemake.scriptdir).parent)
    write_prompts(study, snakemake.params.scenario)
