"""Preferences on pairs of images of a prompt: of people, by ratings or choices, and of metrics and judges; agreement.

Two image sets of a prompt with the same bytes are one image, and no pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# By prompt, by two images in alphabetical order (their SHA-256, or their file if that is unknown): above 0 where the
# first is preferred, below 0 where the second is, 0 for a tie.
Preferences = dict[str, dict[tuple[str, str], float]]
Scores = Mapping[tuple[str, str], float]  # by (id, image file)
CHOICE_COLUMNS = ["id", "first_image_set", "second_image_set", "value"]


class Agreement(NamedTuple):
    """Agreement with people on pairs of images; NaN where no pair is decided.

    Attributes:
        n: Pairs that people decided and the other one judged.
        agreement, low95, high95: Share of these where both prefer the same image, with its interval over prompts, in
            [0, 1]. A tie of the other one is half a hit.
        tied_by_people: Share of the pairs that the other one judged which people left tied.
        tied_by_metric: Share of n that the other one left tied.
    """

    n: int
    agreement: float
    low95: float
    high95: float
    tied_by_people: float
    tied_by_metric: float


def of_ratings(ratings: Iterable[dict], digests: Mapping[str, str]) -> Preferences:
    """People's preferences by the mean ratings of two images.

    Args:
        ratings: Rows id, file, rating.
        digests: SHA-256 by file.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for row in ratings:
        found.setdefault(row["id"], {}).setdefault(digests.get(row["file"], row["file"]), []).append(row["rating"])
    preferences = {}
    for id, images in found.items():
        means = {image: sum(values) / len(values) for image, values in sorted(images.items())}
        preferences[id] = {
            (one, other): round(means[one] - means[other], 9) for one in means for other in means if one < other
        }
    return preferences


def of_choices(rows: Iterable[dict], dictionary: Mapping[str, dict], digests: Mapping[str, str]) -> Preferences:
    """Preferences of those who compared two images directly: the mean of their values.

    Args:
        rows: With CHOICE_COLUMNS, `value` above 0 where the first is better, None or NaN for no answer; `rater` of
            people, who have one say on two images, however many methods share them.
        dictionary: Rows of dictionary.jsonl by id; other prompts and image sets do not count.
        digests: SHA-256 by file.
    """
    found: dict[str, dict[tuple[str, str], dict[object, float]]] = {}
    for number, row in enumerate(rows):
        images = dictionary[row["id"]]["images"] if row["id"] in dictionary else {}
        files = [images.get(row[f"{side}_image_set"], "") for side in ("first", "second")]
        first, second = (digests.get(file, file) for file in files)
        if not first or not second or first == second or row["value"] is None or row["value"] != row["value"]:
            continue
        value = row["value"] if first < second else -row["value"]
        of_pair = found.setdefault(row["id"], {}).setdefault((min(first, second), max(first, second)), {})
        of_pair[row.get("rater", number)] = value
    return {
        id: {pair: round(sum(values.values()) / len(values), 9) for pair, values in pairs.items()}
        for id, pairs in found.items()
    }


def of_scores(scores: Scores, digests: Mapping[str, str], pairs: Preferences) -> Preferences:
    """Preferences of a metric on pairs that others compared; scores within 1e-9 of the range of all are tied.

    Args:
        scores: By (id, file); NaN for none.
        digests: SHA-256 by file.
        pairs: Preferences on these pairs.
    """
    from detailscribe.tables.intervals import EQUAL

    values: dict[tuple[str, str], list[float]] = {}
    for (id, file), score in scores.items():
        if score == score:
            values.setdefault((id, digests.get(file, file)), []).append(score)
    means = {key: sum(each) / len(each) for key, each in values.items()}
    smallest = EQUAL * (max(means.values()) - min(means.values())) if means else 0.0
    found: Preferences = {}
    for id, of_prompt in pairs.items():
        for one, other in of_prompt:
            if (id, one) in means and (id, other) in means:
                difference = means[id, one] - means[id, other]
                found.setdefault(id, {})[one, other] = difference if abs(difference) > smallest else 0.0
    return found


def agreement(people: Preferences, other: Preferences) -> Agreement:
    """How often a metric or judge prefers the image that people prefer, over the pairs that both judged."""
    import numpy as np

    from detailscribe.tables.intervals import mean_intervals

    hits, counts, tied_by_people, tied_by_metric = [0.0], [0.0], 0, 0  # the first is no prompt's and counts nothing
    for id, pairs in people.items():
        both = [(value, other[id][pair]) for pair, value in pairs.items() if pair in other.get(id, {})]
        decided = [(value, judged) for value, judged in both if value]
        tied_by_people += len(both) - len(decided)
        tied_by_metric += sum(judged == 0 for _, judged in decided)
        hits.append(sum(0.5 if judged == 0 else float((judged > 0) == (value > 0)) for value, judged in decided))
        counts.append(float(len(decided)))
    total = int(sum(counts))
    low, high = mean_intervals(np.array(hits)[:, None], (0, 1), counts=np.array(counts)[:, None])
    shares = _share(tied_by_people, tied_by_people + total), _share(tied_by_metric, total)
    return Agreement(total, _share(sum(hits), total), float(low[0]), float(high[0]), *shares)


def _share(count: float, total: int) -> float:
    return count / total if total else float("nan")
