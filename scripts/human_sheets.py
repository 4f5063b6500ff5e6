"""results/{scenario}/human/sheets/: a workbook and a page per rater, and key.jsonl (workbook, rater, sheet, row,
column, id, topic, prompt, image_set, file), which is also kept per workbook in resources/human/{scenario}/."""

from pathlib import Path

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.human.sheets import write_sheets
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    raters, dictionary = parameters["raters"], read_rows(Path(snakemake.input.dictionary))
    keys = Path("resources/human") / snakemake.wildcards.scenario
    outputs = zip(raters, map(Path, snakemake.output.workbooks), map(Path, snakemake.output.pages), strict=True)
    progress = running.progress(len(raters), "workbook")
    write_rows(
        Path(snakemake.output.key), write_sheets(dictionary, parameters, Path("results"), keys, outputs, progress)
    )
