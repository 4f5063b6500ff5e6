"""results/{scenario}/report/: the scenario's site, an overview and a page a prompt, with their images."""

from pathlib import Path

from detailscribe.jobs import job, parameters_of
from detailscribe.report import write_scenario
from detailscribe.report_inputs import overview, scenario

with job(snakemake):
    parameters, name = parameters_of(snakemake), snakemake.wildcards.scenario
    told = scenario(name, snakemake.input, parameters, Path("resources/exchanges"))
    page = overview(snakemake, name, {name: Path("results") / name}, parameters["notice"], told.images)
    write_scenario(Path(snakemake.output[0]).parent, told, page, Path("results"), snakemake.threads)
