"""results/{scenario}/human/sheets/: a workbook and a page a rater, and key.jsonl (workbook, rater, sheet, row, column,
id, topic, prompt, image_set, file), which is also kept by workbook in resources/human/{scenario}/."""

from functools import cache
from pathlib import Path

from detailscribe import human, rating_page, workbooks
from detailscribe.jobs import job, parameters_of
from detailscribe.records import read_rows, replacing, write_rows, write_text

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    image_sets = human.rated_image_sets(parameters["methods"])
    rows = read_rows(Path(snakemake.input.dictionary))
    prompts = human.draw_prompts(rows, image_sets, parameters["prompts"], parameters["seed"])
    thumbnail = cache(lambda file: workbooks.thumbnail(Path("results") / file))
    done = running.progress(len(parameters["raters"]), "workbook")
    keys = []
    outputs = zip(parameters["raters"], snakemake.output.workbooks, snakemake.output.pages, strict=True)
    for rater, path, page in outputs:
        key = human.lay_out(rater, prompts, image_sets, parameters["prompts_per_sheet"], parameters["seed"])
        code = human.code_of(key)
        write_rows(Path("resources/human") / snakemake.wildcards.scenario / f"{code}.jsonl", key)
        with replacing(Path(path)) as temporary:
            workbooks.workbook(key, thumbnail).save(temporary)
        write_text(Path(page), rating_page.page(key, thumbnail, workbooks.INSTRUCTIONS))
        keys += [{"workbook": code, **row} for row in key]
        done()
    write_rows(Path(snakemake.output.key), keys)
