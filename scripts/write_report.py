"""results/{scenario}/report/index.html: tables, what was dropped, and every prompt with its images."""

import os
from pathlib import Path

import pandas as pd

from detailscribe.jobs import by_id, job, parameters_of
from detailscribe.records import read_rows, write_text
from detailscribe.report import report

with job(snakemake):
    parameters = parameters_of(snakemake)
    parts, critiques, images, scores = {}, {}, {}, {}
    for file in snakemake.input.decompositions:
        parts.update(by_id(file))
    for file in map(Path, snakemake.input.critiques):
        critiques.setdefault(file.parent.name, {}).update(by_id(file))
    for file in map(Path, snakemake.input.manifests):
        images.setdefault(file.parent.name, {}).update(by_id(file))
    for file in map(Path, snakemake.input.scores):
        for row in read_rows(file):
            scores[row["id"], row["image_set"], file.parent.name] = row["score"]
    page = report(
        snakemake.wildcards.scenario,
        parameters["notice"],
        pd.read_csv(snakemake.input.table),
        pd.read_csv(snakemake.input.published),
        Path(os.path.relpath(snakemake.input.figure, Path(snakemake.output[0]).parent)).as_posix(),
        pd.read_csv(snakemake.input.dropped, sep="\t", dtype=str, keep_default_na=False, quoting=3),
        read_rows(Path(snakemake.input.prompts)),
        parts,
        critiques,
        images,
        scores,
        pd.read_csv(snakemake.input.cost, keep_default_na=False),
    )
    write_text(Path(snakemake.output[0]), page)
