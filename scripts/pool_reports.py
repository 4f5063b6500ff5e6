"""results/report/: the study's site, the sites of its scenarios under one overview."""

from pathlib import Path

from detailscribe.files.rows import rows_by_id
from detailscribe.report.inputs import read_overview
from detailscribe.report.labels import labels_of
from detailscribe.report.study_site import write_study
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    code, parameters = Path(snakemake.scriptdir).parent, parameters_of(snakemake)
    sites = {Path(file).parent.parent.name: Path(file).parent for file in snakemake.input.sites}
    folders = {name: site.parent for name, site in sites.items()}
    manifests = map(rows_by_id, snakemake.input.manifests)
    shown = "The study", parameters["notice"], snakemake.input, folders, manifests
    overview = read_overview(*shown, code / "rules" / "captions", code, snakemake.config, labels_of(parameters))
    write_study(Path(snakemake.output[0]).parent, sites, overview)
