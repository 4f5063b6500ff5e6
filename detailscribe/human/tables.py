"""Tables of a scenario's human ratings: means by method, raters and reliability.

`rating_statistics` holds the formulas; raise ALGORITHM when a change there changes results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.human.assignment import rating_parameters
from detailscribe.human.ratings import ParsedRatings, merge_ratings
from detailscribe.study.methods import best_of
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_scores"
ALGORITHM = 4
RATING_COLUMNS = ["rater", "id", "image_set", "rating", "file"]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"human_scores": {**rating_parameters(study), **counting_parameters(study)}}


def counting_parameters(study: Study) -> dict:
    """How the best method of a prompt is counted, here and for the released ratings."""
    return {"best_of": best_of(study), "ties_win": study.config["quirks"]["ties_win"]}


def rating_tables(parsed: dict[str, ParsedRatings], values: dict) -> dict[str, pd.DataFrame]:
    """Tables of a scenario's ratings.

    Args:
        parsed: Content of the filled sheets, by rater.
        values: Parameters of the stage.

    Returns:
        ratings, with RATING_COLUMNS; main, raters and reliability, with the columns in `rating_statistics`.
    """
    import pandas as pd

    from detailscribe.human import rating_statistics

    ratings = merge_ratings(parsed.values()).ratings
    shown = {rater: len(parsed[rater].ratings) + len(parsed[rater].missing) for rater in values["raters"]}
    return {
        "ratings": pd.DataFrame(ratings, columns=RATING_COLUMNS),
        "main": rating_statistics.mean_ratings(ratings, values["methods"], values["best_of"], values["ties_win"]),
        "raters": rating_statistics.rater_statistics(ratings, shown),
        "reliability": rating_statistics.reliability(ratings),
    }
