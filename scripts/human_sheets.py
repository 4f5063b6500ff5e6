"""results/{scenario}/human/sheets/: a workbook and a page a rater, and key.jsonl (workbook, rater, sheet, row, column,
id, topic, prompt, image_set, file), which is also kept by workbook in resources/human/{scenario}/."""

from functools import cache
from pathlib import Path

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.human import assignment, page, workbook
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    image_sets = assignment.rated_image_sets(parameters["methods"])
    rows = read_rows(Path(snakemake.input.dictionary))
    prompts = assignment.draw_prompts(rows, image_sets, parameters["prompts"], parameters["seed"])
    thumbnail = cache(lambda file: workbook.thumbnail(Path("results") / file))
    done = running.progress(len(parameters["raters"]), "workbook")
    keys = []
    outputs = zip(parameters["raters"], snakemake.output.workbooks, snakemake.output.pages, strict=True)
    for rater, path, page in outputs:
        key = assignment.assign_images(rater, prompts, image_sets, parameters["prompts_per_sheet"], parameters["seed"])
        code = assignment.key_digest(key)
        write_rows(Path("resources/human") / snakemake.wildcards.scenario / f"{code}.jsonl", key)
        with atomic_write(Path(path)) as temporary:
            workbook.workbook(key, thumbnail).save(temporary)
        write_text(Path(page), page.page(key, thumbnail, workbook.INSTRUCTIONS))
        keys += [{"workbook": code, **row} for row in key]
        done()
    write_rows(Path(snakemake.output.key), keys)
