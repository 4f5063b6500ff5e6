"""results/{scenario}/report/: the scenario's site, an overview and a page per prompt, with their images."""

from pathlib import Path

from detailscribe.report.inputs import read_overview, read_scenario
from detailscribe.report.labels import labels_of
from detailscribe.report.scenario_site import write_scenario
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters, name = parameters_of(snakemake), snakemake.wildcards.scenario
    code, folders = Path(snakemake.scriptdir).parent, {name: Path("results") / name}
    scenario = read_scenario(name, snakemake.input, parameters, Path("resources/exchanges"))
    shown = name, parameters["notice"], snakemake.input, folders, scenario.images.values()
    overview = read_overview(*shown, code / "rules" / "captions", code, snakemake.config, labels_of(parameters))
    write_scenario(Path(snakemake.output[0]).parent, scenario, overview, Path("results"), snakemake.threads)
