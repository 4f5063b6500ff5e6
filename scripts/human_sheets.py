"""results/{scenario}/human/sheets/: send/, with a workbook and a page per rater and README.txt, and keep/key.jsonl
(workbook, rater, sheet, row, column, image, id, topic, prompt, image_set, file), which is also kept per workbook in
resources/human/{scenario}/."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.human.instructions import sheets_note
from detailscribe.human.sheets import earlier_sheets, write_sheets
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    raters, dictionary = parameters["raters"], read_rows(Path(snakemake.input.dictionary))
    keys = Path("resources/human") / snakemake.wildcards.scenario
    workbooks, pages = map(Path, snakemake.output.workbooks), [Path(path) for path in snakemake.output.pages]
    outputs = zip(raters, workbooks, pages, strict=True)
    progress = running.progress(len(raters), "workbook")
    rows = write_sheets(dictionary, parameters, Path("results"), keys, outputs, progress)
    write_text(Path(snakemake.output.note), sheets_note(raters))
    write_rows(Path(snakemake.output.key), rows)
    images = len({(row["sheet"], row["row"]) for row in rows if row["rater"] == raters[0]})
    largest = max(path.stat().st_size for path in pages) / 1e6
    send = pages[0].parent
    said = f"human_sheets: {images} images per rater; pages of up to {largest:.1f} MB; what to send is in {send}"
    running.say([said, *earlier_sheets(send.parent)])
