"""Agreement of metrics and judges with human ratings, on pairs of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    Pairs are of one prompt; people's preference is that of the mean over raters; the rule for ties is `pair_hits`'.
    Files of a prompt with the same bytes are one image, with the mean of their ratings and of their scores: between
    them there is nothing to prefer. `images_identical` counts the files beyond the first.

    Args:
        ratings: Rows id, file, rating.
        scores: By metric, by (id, file).
        digests: SHA-256 by file; a file without one equals no other.
    """
    import numpy as np
    import pandas as pd

    from detailscribe.tables.agreement import pair_hits
    from detailscribe.tables.intervals import mean_intervals

    frame = pd.DataFrame(ratings, columns=["id", "file", "rating"])
    frame["image"] = [digests.get(file, file) for file in frame["file"]]
    means = frame.groupby(["id", "image"], sort=False)["rating"].mean()
    identical = len(frame[["id", "file"]].drop_duplicates()) - len(means)
    images: dict[str, list[str]] = {}
    for id, image in means.index:
        images.setdefault(id, []).append(image)
    width = max(map(len, images.values()), default=0)

    def matrix(values) -> np.ndarray:
        """(prompts, images) of values by (id, image), NaN where a prompt has fewer images or an image no value."""
        rows = [[values.get((id, image), np.nan) for image in of_id] for id, of_id in images.items()]
        padded = [row + [np.nan] * (width - len(row)) for row in rows]
        return np.array(padded, dtype=float).reshape(len(images), width)

    human = matrix(means.to_dict())
    rows = []
    for metric, by_file in scores.items():
        by_image: dict[tuple[str, str], list[float]] = {}
        for (id, file), score in by_file.items():
            if not np.isnan(score):
                by_image.setdefault((id, digests.get(file, file)), []).append(score)
        scored = matrix({key: np.mean(values) for key, values in by_image.items()})
        hits, pairs, human_tied, metric_tied = pair_hits(human, scored)
        low, high = mean_intervals(hits[:, None], (0, 1), counts=pairs[:, None].astype(float))
        total = int(pairs.sum())
        unmatched = int((~np.isnan(human) & np.isnan(scored)).sum())
        share = hits.sum() / total if total else np.nan
        tied = int(human_tied.sum()), int(metric_tied.sum())
        rows.append((metric, total, share, low[0], high[0], *tied, unmatched, identical))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
