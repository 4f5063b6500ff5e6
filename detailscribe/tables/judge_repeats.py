"""Self-agreement of a judge over its repeated answers about the same image."""

import statistics

from detailscribe.study.study import Study

STAGE = "repeats"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"repeats": {"judges": study.judges}}


REPEATS_COLUMNS = ["judge", "image_set", "images", "draws", "unreadable", "mean_sd", "same_share"]


def judge_repeats(judges: dict[str, list[dict]]) -> list[dict]:
    """How well each judge agrees with itself, over all image sets and per image set.

    Args:
        judges: Rows of `judge_images` by the judge's name; `draws` holds the repeats of an image.

    Returns:
        Rows with REPEATS_COLUMNS: `images` judged, `draws` requested, `unreadable` draws; then, over the images with
        two or more scores, the mean of the standard deviations between repeats (n - 1) and the share of images whose
        repeats are all equal. The last two are None if no image has two scores.
    """
    table = []
    for name, rows in judges.items():
        for image_set in ["all", *dict.fromkeys(row["image_set"] for row in rows)]:
            draws = [row["draws"] for row in rows if row["draws"] and image_set in ("all", row["image_set"])]
            scores = [[score for score in each if score is not None] for each in draws]
            repeated = [each for each in scores if len(each) > 1]
            requested = sum(map(len, draws))
            same_share = statistics.fmean(len({*each}) == 1 for each in repeated) if repeated else None
            mean_std = statistics.fmean(map(statistics.stdev, repeated)) if repeated else None
            unreadable = requested - sum(map(len, scores))
            values = [name, image_set, len(draws), requested, unreadable, mean_std, same_share]
            table.append(dict(zip(REPEATS_COLUMNS, values, strict=True)))
    return table
