"""Preferences on pairs of images, of people, metrics and judges, and their agreement."""

from itertools import permutations, product

import numpy as np
import pytest

from detailscribe.human.judges import preferences
from detailscribe.tables.judging.pair_tables import pairs_table
from tests.unit.human.sample_ratings import RATED, rows_of

DICTIONARY = {id: {"images": {name: f"{id}/{name}.jpg" for name in RATED}} for id in ("a", "b", "c")}
SCORES = {(id, f"{id}/{name}.jpg"): float(value) for id in ("a", "b") for value, name in enumerate(RATED)}
VALUES = {"first": 1.0, "first, slightly": 0.5, "second": -1.0, "tie": 0.0, "cannot": None, "": float("nan")}


def choices_of(*votes: tuple[str, ...]) -> list[dict]:
    """Rows (prompt, first image set, second, choice), each of a rater of its own unless a fifth value names one."""
    return [
        dict(zip(preferences.CHOICE_COLUMNS, (*vote[:3], VALUES[vote[3]]), strict=True))
        | {"rater": vote[4] if len(vote) > 4 else f"r{number}"}
        for number, vote in enumerate(votes)
    ]


# Scores rise along RATED: original-11, hosted, k0, k1.
@pytest.mark.parametrize(
    ("votes", "n", "agreement", "tied_by_people", "tied_by_metric"),
    [
        ([("a", "original-11", "hosted", "second")], 1, 1, 0, 0),
        ([("a", "original-11", "hosted", "first")], 1, 0, 0, 0),
        ([("a", "hosted", "original-11", "first"), ("b", "k0", "k1", "first")], 2, 0.5, 0, 0),
        # Two raters, in either order, are one pair; their mean counts, with its strength; two who differ tie.
        ([("a", "hosted", "k1", "second"), ("a", "k1", "hosted", "first")], 1, 1, 0, 0),
        ([("a", "hosted", "k1", c) for c in ("first", "second", "second")], 1, 1, 0, 0),
        ([("a", "hosted", "k1", c) for c in ("first, slightly", "second")], 1, 1, 0, 0),
        ([("a", "hosted", "k1", "first"), ("a", "k1", "hosted", "first")], 0, None, 1, 0),
        ([("a", "hosted", "k1", "tie"), ("a", "k0", "k1", "second")], 1, 1, 1, 0),
        ([("a", "hosted", "k1", "tie"), ("a", "k1", "hosted", "first")], 1, 1, 0, 0),
        ([("b", "hosted", "same", "first"), ("b", "hosted", "k1", "second")], 2, 0.75, 0, 1),
        # A rater has one say on two images, also if two pairs of methods have them.
        ([("a", "hosted", "k1", "first", "r1")] * 2 + [("a", "hosted", "k1", "second", "r2")], 0, None, 1, 0),
        # No answer, prompts and image sets that are gone, and images without a score do not count.
        ([("a", "hosted", "k1", "cannot"), ("a", "hosted", "k0", "")], 0, None, 0, 0),
        (
            [("gone", "hosted", "k1", "first"), ("a", "gone", "k1", "first"), ("c", "hosted", "k1", "first")],
            0,
            None,
            0,
            0,
        ),
        ([("a", "k0", "copy", "first")], 0, None, 0, 0),  # the same bytes
        ([], 0, None, 0, 0),
    ],
)
def test_agreement_on_compared_pairs(votes, n, agreement, tied_by_people, tied_by_metric):
    dictionary = {id: {"images": dict(row["images"])} for id, row in DICTIONARY.items()}
    dictionary["a"]["images"]["copy"] = "a/copy.jpg"
    dictionary["b"]["images"]["same"] = "b/same.jpg"
    scores = SCORES | {("b", "b/same.jpg"): SCORES["b", "b/hosted.jpg"], ("a", "a/copy.jpg"): SCORES["a", "a/k0.jpg"]}
    digests = {"a/copy.jpg": "x", "a/k0.jpg": "x"}
    people = preferences.of_choices(choices_of(*votes), dictionary, digests)
    found = preferences.agreement(people, preferences.of_scores(scores, digests, people))
    share = None if np.isnan(found.agreement) else found.agreement
    assert (found.n, share) == (n, agreement)
    assert (found.tied_by_people, found.tied_by_metric) == (tied_by_people, tied_by_metric)
    assert np.isnan(found.low95) or found.low95 <= found.agreement <= found.high95


def test_preferences_of_ratings_are_those_of_the_means_over_raters_and_equal_images():
    ratings = rows_of({("r1", "a"): (5, 3, 4, 1), ("r2", "a"): (5, 3, 2, 1)})
    found = preferences.of_ratings(ratings, {"a/hosted.jpg": "x", "a/k1.jpg": "x"})
    assert found == {"a": {("a/k0.jpg", "a/original-11.jpg"): -2, ("a/k0.jpg", "x"): 1, ("a/original-11.jpg", "x"): 3}}


def test_preferences_of_a_judge_of_pairs_are_those_of_its_table():
    generator, methods, rows = np.random.default_rng(2), RATED[:3], []
    dictionary = {f"p{n}": {"images": {name: f"p{n}/{name}.jpg" for name in methods}} for n in range(60)}
    for id, (first, second) in product(dictionary, permutations(methods, 2)):
        value = generator.choice([1, 0.5, 0, -0.5, -1, 0.25, None])
        row = {"id": id, "first": first, "second": second, "value": value, "identical": False}
        rows.append(row | {"first_image_set": first, "second_image_set": second})
    found = preferences.of_judge(rows, dictionary, {})
    settings = {"baseline": methods[0], "permutations": 100, "seed": 0}
    for row in pairs_table("duel", rows, methods, settings).iloc[:-1].itertuples():
        sign = 1 if row.method < row.other else -1
        names = sorted((row.method, row.other))
        values = [sign * pairs.get(tuple(f"{id}/{name}.jpg" for name in names), np.nan) for id, pairs in found.items()]
        tally = [sum(np.sign(value) == each for value in values) for each in (1, 0, -1)]
        assert tally == [row.wins, row.ties, row.losses] and min(tally) > 0
        assert sum(tally) == row.n and row.one_order > 0


def test_the_interval_is_over_prompts():
    dictionary = {f"p{n}": {"images": {name: f"p{n}/{name}.jpg" for name in RATED}} for n in range(40)}
    scores = {(id, file): float(k) for id, row in dictionary.items() for k, file in enumerate(row["images"].values())}
    all_pairs = [(one, other) for k, one in enumerate(RATED) for other in RATED[k + 1 :]]
    votes = [(f"p{n}", *pair, "second" if n % 4 else "first") for n in range(40) for pair in all_pairs]

    def of(votes: list[tuple]) -> preferences.Agreement:
        people = preferences.of_choices(choices_of(*votes), dictionary, {})
        return preferences.agreement(people, preferences.of_scores(scores, {}, people))

    several, one = of(votes), of(votes[:: len(all_pairs)])  # of a prompt, all are right or all are wrong
    assert (several.n, one.n) == (240, 40) and several.agreement == one.agreement == 0.75
    assert (several.low95, several.high95) == pytest.approx((one.low95, one.high95))
