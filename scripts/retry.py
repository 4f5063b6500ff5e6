"""Removes outputs that hold a failed row; the next run tries those rows again and keeps the others."""

from pathlib import Path

from detailscribe.jobs import job
from detailscribe.verifying import drop_outputs, is_failed, verify_rows

with job(snakemake) as running:
    results, sentences = Path("results"), []
    for scenario in snakemake.params.scenarios:
        sentences += verify_rows(results, scenario)
        removed = drop_outputs(results, scenario, is_failed)
        sentences += [f"{path}: has failed rows; removed" for path in removed]
    running.say([*sentences, f"{len(sentences)} files removed"])
