"""results/{scenario}/human/: pairs.csv (columns: `pairs.tables.CHOICE_COLUMNS`), pair_main.csv, strengths.csv,
pair_raters.csv and pair_reliability.csv (columns in `pairs.statistics`)."""

from functools import partial
from pathlib import Path

from detailscribe.files.rows import write_frame
from detailscribe.human.assignment import find_key
from detailscribe.human.pairs.assignment import key_folder
from detailscribe.human.pairs.choices import read_choices
from detailscribe.human.pairs.tables import choice_tables
from detailscribe.human.ratings import no_ratings, require_no_defects
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    key_of = partial(find_key, key_folder(snakemake.wildcards.scenario))
    files = [Path(path) for path in snakemake.input.filled]
    parsed = read_choices(Path(snakemake.params.choices), files, parameters["raters"], key_of)
    defects = [text for each in parsed.values() for text in each.defects]
    require_no_defects(no_ratings(defects), "tables of choices")
    missing = [text for each in parsed.values() for text in each.missing]
    print(*missing, sep="\n")
    tables = choice_tables(parsed, parameters)
    given = int(tables["pair_raters"]["n"].sum())
    running.say([f"human_pair_scores: {given} choices, {len(missing)} missing"])
    for name, table in tables.items():
        write_frame(Path(snakemake.output[name]), table)
