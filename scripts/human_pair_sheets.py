"""results/{scenario}/human/pair_sheets/: send/, with a page of pairs per rater and README.txt, and keep/key.jsonl
(sheet, and the columns of `assign_pairs`), which is also kept per page in resources/human/{scenario}/pairs/."""

from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.rows import read_rows, read_score_rows, write_rows
from detailscribe.human.instructions import pairs_note
from detailscribe.human.pairs.assignment import key_folder
from detailscribe.human.pairs.sheets import write_pair_sheets
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    scores = [row for path in snakemake.input.scores for row in read_score_rows(path)]
    outputs = list(zip(parameters["raters"], map(Path, snakemake.output.pages), strict=True))
    keys = write_pair_sheets(
        read_rows(Path(snakemake.input.dictionary)),
        parameters,
        scores,
        Path("results"),
        key_folder(snakemake.wildcards.scenario),
        outputs,
        running.progress(len(outputs), "page"),
    )
    write_text(Path(snakemake.output.note), pairs_note(parameters["raters"]))
    write_rows(Path(snakemake.output.key), keys)
    shown = len({row["pair"] for row in keys if row["pair"] and row["rater"] == parameters["raters"][0]})
    largest = max(path.stat().st_size for _, path in outputs) / 1e6
    sizes = f"{shown} pairs per rater; pages of up to {largest:.1f} MB"
    running.say([f"human_pair_sheets: {sizes}; what to send is in {outputs[0][1].parent}"])
