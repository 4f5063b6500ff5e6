"""results/{scenario}/figures/: main, bars, wins and compute, each as SVG and PNG."""

from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import atomic_write
from detailscribe.tables import figures
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    values = pd.read_csv(snakemake.input.table), snakemake.wildcards.scenario, parameters["notice"]
    drawings = {
        "main": (figures.plot_means, *values),
        "bars": (figures.plot_bars, *values),
        "wins": (figures.plot_wins, *values),
        "compute": (figures.plot_compute, *values, parameters["steps"]),
    }
    for path in map(Path, snakemake.output):
        with atomic_write(path) as temporary:
            figures.save_figure(temporary, *drawings[path.stem], kind=path.suffix[1:])
