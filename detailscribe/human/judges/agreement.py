"""Agreement of metrics and judges with human ratings, on pairs of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.human.judges.preferences import agreement, of_ratings, of_scores
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_agreement"
ALGORITHM = 3
AGREEMENT_COLUMNS = [
    "metric",
    "pairs",
    "agreement",
    "low95",
    "high95",
    "tied_by_people",
    "tied_by_metric",
    "images_unmatched",
    "images_identical",
]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"human_agreement": {"metrics": study.metrics}}


def scores_by_file(
    scores: pd.DataFrame, dictionary: dict[str, dict], metrics: list[str]
) -> dict[str, dict[tuple[str, str], float]]:
    """Scores by metric, by (id, image file), of the images in the dictionary.

    Args:
        scores: Rows id, image_set, metric, score.
        dictionary: Rows of dictionary.jsonl by id.
        metrics: Names.
    """
    images = {id: row["images"] for id, row in dictionary.items()}
    by_file: dict[str, dict[tuple[str, str], float]] = {metric: {} for metric in metrics}
    columns = (scores[name] for name in ("id", "image_set", "metric", "score"))
    for id, image_set, metric, score in zip(*columns, strict=True):
        if image_set in images.get(id, {}):
            by_file[metric][id, images[id][image_set]] = score
    return by_file


def metric_agreement(
    ratings: list[dict], scores: dict[str, dict[tuple[str, str], float]], digests: dict[str, str]
) -> pd.DataFrame:
    """Rows with AGREEMENT_COLUMNS: how often each metric prefers the image of a pair that people prefer.

    Pairs are of one prompt; people's preference is that of the mean over raters; ties are those of `Agreement`. Files
    of a prompt with the same bytes are one image, with the mean of their ratings and of their scores: between them
    there is nothing to prefer. `images_identical` counts the files beyond the first, `images_unmatched` rated images
    without a score.

    Args:
        ratings: Rows id, file, rating.
        scores: By metric, by (id, file).
        digests: SHA-256 by file; a file without one equals no other.
    """
    import pandas as pd

    people, files = of_ratings(ratings, digests), {(row["id"], row["file"]) for row in ratings}
    rated = {(id, digests.get(file, file)) for id, file in files}
    rows = []
    for metric, by_file in scores.items():
        found = agreement(people, of_scores(by_file, digests, people))
        scored = {(id, digests.get(file, file)) for (id, file), score in by_file.items() if score == score}
        rows.append((metric, *found, len(rated - scored), len(files) - len(rated)))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
