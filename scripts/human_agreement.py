"""results/{scenario}/human/agreement.csv (columns of `human_tables.AGREEMENT`), and agreement as SVG and PNG."""

from pathlib import Path

import pandas as pd

from detailscribe.files.atomic import atomic_write
from detailscribe.files.rows import write_frame
from detailscribe.human import tables
from detailscribe.tables import figures, score_table
from detailscribe.workflow.inputs import parameters_of, rows_by_id
from detailscribe.workflow.job import job

with job(snakemake):
    parameters = parameters_of(snakemake)
    ratings = pd.read_csv(snakemake.input.ratings).to_dict("records")
    images = {id: row["images"] for id, row in rows_by_id(snakemake.input.dictionary).items()}
    scores = {metric: {} for metric in parameters["metrics"]}
    for row in score_table.read(snakemake.input.scores).itertuples():
        if row.image_set in images.get(row.id, {}):
            scores[row.metric][row.id, images[row.id][row.image_set]] = row.score
    table = tables.metric_agreement(ratings, scores, parameters["bootstrap"])
    write_frame(Path(snakemake.output.table), table)
    for path in map(Path, snakemake.output.pictures):
        with atomic_write(path) as temporary:
            values = table, snakemake.wildcards.scenario, parameters["notice"]
            figures.plot(temporary, figures.agreement, *values, kind=path.suffix[1:])
