"""Preferences on pairs of images of a prompt: of people, by ratings or choices, and of metrics and judges; agreement.

Two image sets of a prompt with the same bytes are one image, and no pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean
from typing import NamedTuple

from detailscribe.scores.judges.pairs import TIE, choice_of

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
            [0, 1]. A tie of the other one is half a hit, the expectation of a random choice.
        tied_by_people: Pairs that the other one judged and people left tied; they express no preference, and are
            none of n.
        tied_by_metric: Pairs of n that the other one left tied.
    """

    n: int
    agreement: float
    low95: float
    high95: float
    tied_by_people: int
    tied_by_metric: int


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
        means = {image: fmean(values) for image, values in sorted(images.items())}
        preferences[id] = {
            (one, other): round(means[one] - means[other], 9) for one in means for other in means if one < other
        }
    return preferences


def of_choices(rows: Iterable[dict], dictionary: Mapping[str, dict], digests: Mapping[str, str]) -> Preferences:
    """People's preferences by their choices between two images: the mean of the raters' values.

    A rater has one say on two images, however many methods share them.

    Args:
        rows: `rater` and CHOICE_COLUMNS, `value` above 0 where the first is better, None or NaN for no answer.
        dictionary: Rows of dictionary.jsonl by id; other prompts and image sets do not count.
        digests: SHA-256 by file.
    """
    found: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    for row, first, second in _compared(rows, dictionary, digests):
        pair, value = ((first, second), row["value"]) if first < second else ((second, first), -row["value"])
        found.setdefault(row["id"], {}).setdefault(pair, {})[row["rater"]] = value
    return {
        id: {pair: round(fmean(values.values()), 9) for pair, values in pairs.items()} for id, pairs in found.items()
    }


def of_judge(rows: Iterable[dict], dictionary: Mapping[str, dict], digests: Mapping[str, str]) -> Preferences:
    """Preferences of a judge of pairs, by the rule of pairs.csv: both orders together, nothing of a pair with one.

    Args:
        rows: Of `scores.judges.pairs.judge_pairs`: CHOICE_COLUMNS, the first image was shown first.
        dictionary, digests: As in `of_choices`.
    """
    shown: dict[str, dict[tuple[str, str], list[float]]] = {}  # by both images in the order in which they were shown
    for row, first, second in _compared(rows, dictionary, digests):
        shown.setdefault(row["id"], {}).setdefault((first, second), []).append(row["value"])
    found: Preferences = {}
    for id, orders in shown.items():
        for (first, second), values in orders.items():
            if first < second and (second, first) in orders:
                value = (fmean(values) - fmean(orders[second, first])) / 2
                found.setdefault(id, {})[first, second] = 0.0 if choice_of(value) == TIE else value
    return found


def of_scores(scores: Scores, digests: Mapping[str, str], pairs: Preferences) -> Preferences:
    """Preferences of a metric on pairs that others compared; scores within 1e-9 of the range of these are tied.

    Args:
        scores: By (id, file); NaN for none.
        digests: SHA-256 by file.
        pairs: Preferences on these pairs.
    """
    from detailscribe.tables.intervals import EQUAL

    compared = {(id, image) for id, of_prompt in pairs.items() for pair in of_prompt for image in pair}
    values: dict[tuple[str, str], list[float]] = {}
    for (id, file), score in scores.items():
        image = id, digests.get(file, file)
        if image in compared and score == score:
            values.setdefault(image, []).append(score)
    means = {key: fmean(each) for key, each in values.items()}
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

    hits, counts, tied_by_people, tied_by_metric = list[float](), list[float](), 0, 0
    for id, pairs in people.items():
        both = [(value, other[id][pair]) for pair, value in pairs.items() if pair in other.get(id, {})]
        decided = [(value, judged) for value, judged in both if value]
        tied_by_people += len(both) - len(decided)
        tied_by_metric += sum(judged == 0 for _, judged in decided)
        hits.append(sum(0.5 if judged == 0 else float((judged > 0) == (value > 0)) for value, judged in decided))
        counts.append(float(len(decided)))
    total = int(sum(counts))
    low, high = mean_intervals(np.array(hits)[:, None], (0, 1), counts=np.array(counts)[:, None])
    share = sum(hits) / total if total else float("nan")
    return Agreement(total, share, float(low[0]), float(high[0]), tied_by_people, tied_by_metric)


def _compared(
    rows: Iterable[dict], dictionary: Mapping[str, dict], digests: Mapping[str, str]
) -> Iterator[tuple[dict, str, str]]:
    """Rows with an answer about two different images of the dictionary, with the first and the second image."""
    for row in rows:
        images = dictionary[row["id"]]["images"] if row["id"] in dictionary else {}
        files = [images.get(row[f"{side}_image_set"], "") for side in ("first", "second")]
        first, second = (digests.get(file, file) for file in files)
        if first and second and first != second and row["value"] is not None and row["value"] == row["value"]:
            yield row, first, second
