"""results/{scenario}/human/agreement.csv (columns of `human_tables.AGREEMENT`), and agreement as SVG and PNG."""

from pathlib import Path

import pandas as pd

from detailscribe import figures, human_tables, score_table
from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.records import replacing, write_frame

with job(snakemake):
    parameters = parameters_of(snakemake)
    ratings = pd.read_csv(snakemake.input.ratings).to_dict("records")
    images = {id: row["images"] for id, row in by_id(snakemake.input.dictionary).items()}
    scores = {metric: {} for metric in parameters["metrics"]}
    for row in score_table.read(snakemake.input.scores).itertuples():
        if row.image_set in images.get(row.id, {}):
            scores[row.metric][row.id, images[row.id][row.image_set]] = row.score
    table = human_tables.metric_agreement(ratings, scores, parameters["bootstrap"])
    write_frame(Path(snakemake.output.table), table)
    for path in map(Path, snakemake.output.pictures):
        with replacing(path) as temporary:
            values = table, snakemake.wildcards.scenario, parameters["notice"]
            figures.plot(temporary, figures.agreement, *values, kind=path.suffix[1:])
