"""Agreement of metrics and judges with human ratings, on pairs of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_agreement"
ALGORITHM = 1
AGREEMENT_COLUMNS = [
    "metric",
    "pairs",
    "agreement",
    "low95",
    "high95",
    "tied_by_people",
    "tied_by_metric",
    "images_unmatched",
]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    values = {
        "metrics": study.metrics,
        "bootstrap": study.config["bootstrap"],
        "notice": study.image_model["notice"],
    }
    return {"human_agreement": values}


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
    ratings: list[dict], scores: dict[str, dict[tuple[str, str], float]], bootstrap: dict
) -> pd.DataFrame:
    """Rows with AGREEMENT_COLUMNS: how often each metric prefers the image of a pair that people prefer.

    Pairs are of one prompt; people's preference is that of the mean over raters; the rule for ties is `pair_hits`'.

    Args:
        ratings: Rows id, file, rating; two image sets with the same file are one image.
        scores: By metric, by (id, file).
        bootstrap: `resamples` and `seed`.
    """
    import numpy as np
    import pandas as pd

    from detailscribe.tables.agreement import pair_hits
    from detailscribe.tables.significance import bootstrap_intervals

    frame = pd.DataFrame(ratings, columns=["id", "file", "rating"])
    means = frame.groupby(["id", "file"], sort=False)["rating"].mean()
    files: dict[str, list[str]] = {}
    for id, file in means.index:
        files.setdefault(id, []).append(file)
    width = max(map(len, files.values()), default=0)

    def matrix(value) -> np.ndarray:
        """(prompts, images) of `value(id, file)`, NaN where a prompt has fewer images."""
        rows = [[value(id, file) for file in of_id] + [np.nan] * (width - len(of_id)) for id, of_id in files.items()]
        return np.array(rows, dtype=float).reshape(len(files), width)

    human = matrix(lambda id, file: means[id, file])
    rows = []
    for metric, by_file in scores.items():
        scored = matrix(lambda id, file, by_file=by_file: by_file.get((id, file), np.nan))
        hits, pairs, human_tied, metric_tied = pair_hits(human, scored)
        low, high = bootstrap_intervals(
            np.where(pairs > 0, hits, np.nan)[:, None], **bootstrap, counts=pairs[:, None].astype(float)
        )
        total = int(pairs.sum())
        unmatched = int((~np.isnan(human) & np.isnan(scored)).sum())
        share = hits.sum() / total if total else np.nan
        rows.append((metric, total, share, low[0], high[0], int(human_tied.sum()), int(metric_tied.sum()), unmatched))
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
