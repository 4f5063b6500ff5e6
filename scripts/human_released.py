"""results/tables/released/: ratings.csv; main.csv (by scenario and `all`), raters.csv and reliability.csv as for
ratings of one's own; published.csv: the paper's human means beside those of its ratings."""

from collections import Counter
from pathlib import Path

import pandas as pd

from detailscribe.errors import InputError
from detailscribe.files.rows import write_frame
from detailscribe.human import tables
from detailscribe.human.released import KEPT, compare_exactly, methods_of, read_released
from detailscribe.workflow.inputs import parameters_of
from detailscribe.workflow.job import job

with job(snakemake) as running:
    parameters = parameters_of(snakemake)
    if not snakemake.params.folder:
        raise InputError("human: released_folder is empty; name the folder with the released study's ratings")
    ratings, missing, defects = read_released(Path(snakemake.params.folder))
    if defects:
        raise InputError(
            "\n".join([f"{len(defects)} defects in the released ratings; mend them and run again", *defects])
        )
    print(*(f"{place}: no rating" for place in missing), sep="\n")
    running.say([f"human_released: {len(ratings)} ratings, {len(missing)} missing"])
    parts = {name: [row for row in ratings if row["scenario"] == name] for name in {r["scenario"]: 0 for r in ratings}}
    counted = parameters["bootstrap"], parameters["ties_win"]
    main = {name: tables.average(rows, methods_of(rows), *counted) for name, rows in (*parts.items(), ("all", ratings))}
    main = pd.concat(main, names=["scenario"]).reset_index("scenario")
    tables = {
        "ratings": pd.DataFrame(ratings, columns=KEPT),
        "main": main,
        "raters": tables.raters(ratings, Counter(row["rater"] for row in ratings)),
        "reliability": tables.reliability(ratings, parameters["bootstrap"]),
        "published": pd.DataFrame(compare_exactly(main, parameters["published"])),
    }
    for path in map(Path, snakemake.output):
        write_frame(path, tables[path.stem])
