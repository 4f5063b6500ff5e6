"""Tables of people's choices between pairs of images: by methods, Bradley-Terry strengths, raters and reliability.

`statistics` holds the formulas; raise ALGORITHM when a change there changes results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.study.judging.human_pairs import human_pair_parameters
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from detailscribe.human.pairs.choices import ParsedChoices

STAGE = "human_pair_scores"
ALGORITHM = 1
CHOICE_COLUMNS = [
    *("rater", "id", "pair", "first", "second", "first_image_set", "second_image_set", "first_file", "second_file"),
    *("choice", "strength", "value", "seconds", "comment", "file"),
]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    pairs, statistics = human_pair_parameters(study), study.config["statistics"]
    names = [method["name"] for method in pairs["methods"]]
    values = {
        "methods": names,
        "raters": pairs["raters"],
        "baseline": statistics["baseline"] if statistics["baseline"] in names else names[0] if names else "",
        "permutations": statistics["permutations"],
        "seed": study.config["bootstrap"]["seed"],
    }
    return {"human_pair_scores": values}


def choice_tables(parsed: dict[str, ParsedChoices], values: dict) -> dict[str, pd.DataFrame]:
    """Tables of a scenario's choices.

    Args:
        parsed: Content of the tables that raters sent, by rater.
        values: Parameters of the stage.

    Returns:
        pairs, with CHOICE_COLUMNS; pair_main, strengths, pair_raters and pair_reliability, with the columns in
        `statistics`.
    """
    import pandas as pd

    from detailscribe.human.pairs import statistics

    rows = [row for each in parsed.values() for row in each.choices]
    # Methods that the present configuration no longer compares keep their rows, after the others.
    methods = list(dict.fromkeys([*values["methods"], *(row[side] for row in rows for side in ("first", "second"))]))
    missing = {rater: len(parsed[rater].missing) if rater in parsed else None for rater in values["raters"]}
    test = values["permutations"], values["seed"]
    return {
        "pairs": pd.DataFrame(rows, columns=CHOICE_COLUMNS),
        "pair_main": statistics.win_rates(rows, methods, values["baseline"], *test),
        "strengths": statistics.strength_table(rows, methods, values["baseline"]),
        "pair_raters": statistics.rater_table(rows, missing, *test),
        "pair_reliability": statistics.reliability(rows),
    }
