"""Removes outputs that hold a failed row; the next run tries those rows again and keeps the others."""

from pathlib import Path

from detailscribe.operations.verify import is_failed, remove_outputs_if, verify_rows
from detailscribe.workflow.job import job

with job(snakemake) as running:
    results, sentences = Path("results"), []
    for scenario in snakemake.params.scenarios:
        sentences += verify_rows(results, scenario)
        removed = remove_outputs_if(results, scenario, is_failed)
        sentences += [f"{path}: has failed rows; removed" for path in removed]
    running.say([*sentences, f"{len(sentences)} files removed"])
