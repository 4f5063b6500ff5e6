"""results/{scenario}/figures/: main, bars, wins and compute, each as SVG and PNG."""

from pathlib import Path

import pandas as pd

from detailscribe import figures
from detailscribe.jobs import job, parameters_of
from detailscribe.records import replacing

with job(snakemake):
    parameters = parameters_of(snakemake)
    values = pd.read_csv(snakemake.input.table), snakemake.wildcards.scenario, parameters["notice"]
    drawings = {
        "main": (figures.draw, *values),
        "bars": (figures.bars, *values),
        "wins": (figures.wins, *values),
        "compute": (figures.compute, *values, parameters["steps"], parameters["selector"]),
    }
    for path in map(Path, snakemake.output):
        with replacing(path) as temporary:
            figures.plot(temporary, *drawings[path.stem], kind=path.suffix[1:])
