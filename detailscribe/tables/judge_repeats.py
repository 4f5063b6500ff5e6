"""Agreement of a judge with itself over repeats."""

import statistics

REPEATS_COLUMNS = ["judge", "image_set", "images", "draws", "unreadable", "mean_sd", "same_share"]


def repeats(judges: dict[str, list[dict]]) -> list[dict]:
    """How far a judge agrees with itself, for each image set and for all of them.

    Args:
        judges: Rows of `judge` by the judge's name.

    Returns:
        Rows with REPEATS_COLUMNS: `images` judged, `draws` asked for, `unreadable` of these; then over the images with
        two scores or more the mean of the standard deviations between draws (ddof 1), and the share of images whose
        draws all agree. The last two are None where no image has two.
    """
    table = []
    for name, rows in judges.items():
        for image_set in ["all", *dict.fromkeys(row["image_set"] for row in rows)]:
            draws = [row["draws"] for row in rows if row["draws"] and image_set in ("all", row["image_set"])]
            given = [[score for score in each if score is not None] for each in draws]
            again = [each for each in given if len(each) > 1]
            asked = sum(map(len, draws))
            agreed = statistics.fmean(len({*each}) == 1 for each in again) if again else None
            spread = statistics.fmean(map(statistics.stdev, again)) if again else None
            values = [name, image_set, len(draws), asked, asked - sum(map(len, given)), spread, agreed]
            table.append(dict(zip(REPEATS_COLUMNS, values, strict=True)))
    return table
