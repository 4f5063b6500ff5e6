"""Tables of a scenario's human ratings: means by method, raters and reliability.

`rating_statistics` holds the formulas; raise ALGORITHM when a change there changes results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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
COMMENT_COLUMNS = [*RATING_COLUMNS, "cannot_judge", "comment"]


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
        ratings, with RATING_COLUMNS: an image that several image sets show has a row for each; comments, with
        COMMENT_COLUMNS: the images that a rater could not judge or commented; main, raters and reliability, with the
        columns in `rating_statistics`. Raters and reliability count each image once, and `cannot_judge` says how many
        of a rater's missing ones the rater could not judge.
    """
    import pandas as pd

    from detailscribe.human import rating_statistics

    merged = merge_ratings(parsed.values())
    ratings = merged.ratings
    comments = [row for row in merged.notes if row["cannot_judge"] or row["comment"]]
    once, unrated = _each_image_once(ratings), _each_image_once(row for row in merged.notes if row["rating"] is None)
    missing = Counter(row["rater"] for row in unrated)
    cannot = Counter(row["rater"] for row in unrated if row["cannot_judge"])
    given = Counter(row["rater"] for row in once)
    raters = rating_statistics.rater_statistics(once, {name: given[name] + missing[name] for name in values["raters"]})
    raters.insert(3, "cannot_judge", [cannot[name] for name in raters["rater"]])  # after rater, n, missing
    return {
        "ratings": pd.DataFrame(ratings, columns=RATING_COLUMNS),
        "comments": pd.DataFrame(comments, columns=COMMENT_COLUMNS).astype({"rating": "Int64"}),
        "main": rating_statistics.mean_ratings(ratings, values["methods"], values["best_of"], values["ties_win"]),
        "raters": raters,
        "reliability": rating_statistics.reliability(once),
    }


def _each_image_once(rows: Iterable[dict]) -> list[dict]:
    """Rows of images, without those of further image sets that show the same image."""
    return [row for row in rows if row["image_set"] == row["shown_as"]]
