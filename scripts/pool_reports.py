"""results/report/: the study's site, the sites of its scenarios under one overview."""

from pathlib import Path

from detailscribe.report.inputs import overview
from detailscribe.report.site import write_study
from detailscribe.workflow.inputs import parameters_of, rows_by_id
from detailscribe.workflow.job import job

with job(snakemake):
    sites = {Path(file).parent.parent.name: Path(file).parent for file in snakemake.input.sites}
    images = {file: rows_by_id(file) for file in snakemake.input.manifests}
    folders = {name: site.parent for name, site in sites.items()}
    page = overview(snakemake, "The study", folders, parameters_of(snakemake)["notice"], images)
    write_study(Path(snakemake.output[0]).parent, sites, page)
