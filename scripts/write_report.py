"""results/{scenario}/report/: the scenario's site, an overview and a page a prompt, with their images."""

from pathlib import Path

from detailscribe.report.inputs import overview, scenario
from detailscribe.report.site import write_scenario
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters, name = parameters_of(snakemake), snakemake.wildcards.scenario
    told = scenario(name, snakemake.input, parameters, Path("resources/exchanges"))
    page = overview(snakemake, name, {name: Path("results") / name}, parameters["notice"], told.images)
    write_scenario(Path(snakemake.output[0]).parent, told, page, Path("results"), snakemake.threads)
