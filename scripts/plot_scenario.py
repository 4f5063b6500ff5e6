"""results/{scenario}/figures/main.svg: a panel a metric, a mark a method with its 95 % interval."""

from pathlib import Path

import pandas as pd

from detailscribe.figures import plot
from detailscribe.jobs import job, parameters_of
from detailscribe.records import replacing

with job(snakemake):
    table = pd.read_csv(snakemake.input.table)
    with replacing(Path(snakemake.output[0])) as temporary:
        plot(table, snakemake.wildcards.scenario, parameters_of(snakemake)["notice"], temporary)
