"""Best of N as the reference: which N counts how much at a cost."""

import numpy as np
import pytest

from detailscribe.tables.budget.reference import Reference
from tests.unit.tables.sample_scores import hand_worked

STEPS = Reference(["o1", "o2", "o3"], "clip", {"steps": np.array([28.0, 56.0, 84.0])})


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (28.0, [1, 0, 0]),
        (42.0, [0.5, 0.5, 0]),
        (63.0, [0, 0.75, 0.25]),
        (84.0, [0, 0, 1]),
        (56.00001, [0, 1, 0]),  # tables have six decimals
        (84.00001, [0, 0, 1]),
        (27.4, "fewer steps than one seed"),
        (85.7, "more steps than all 3 seeds"),
        (np.nan, "steps not known"),
    ],
)
def test_between_two_numbers_of_seeds_a_lot_decides_and_beyond_them_there_is_no_reference(cost, expected):
    found, note = STEPS.weights("steps", cost)
    if isinstance(expected, str):
        assert found is None and note == expected
    else:
        assert found == pytest.approx(expected) and not note


@pytest.mark.parametrize(
    ("cost", "expected", "note"),
    [
        (27.5, [1, 0, 0], "1.8 % fewer steps than one seed, and compared with it"),
        (84.4, [0, 0, 1], "0.5 % more steps than all 3 seeds, and compared with these"),
    ],
)
def test_a_little_below_one_seed_and_beyond_all_these_stand_in_and_the_note_says_so(cost, expected, note):
    found, said = STEPS.weights("steps", cost)
    assert found == pytest.approx(expected) and said == note


def test_seeds_of_unknown_cost_are_no_reference():
    assert Reference(["o1", "o2"], "clip", {"steps": np.array([28.0, np.nan])}).weights("steps", 28.0) == (
        None,
        "steps not known",
    )


def test_costs_of_noise_that_fall_are_levelled():
    reference = Reference(["a", "b", "c"], "x", {"seconds": np.array([10.0, 9.0, 20.0])})
    assert reference.weights("seconds", 15.0)[0] == pytest.approx([0, 0.5, 0.5])


def test_scores_of_the_reference_are_those_of_the_selected_seed():
    reference = Reference(["o1", "o2"], "clip", {})
    assert reference.scores(hand_worked(), "judge").tolist() == [[5, 1], [3, 3]]  # clip selects o2 for a, o1 for b
    assert reference.has(["o1"], "single") and reference.has(["o1", "o2"], "by:clip")
    assert not reference.has(["o1", "o2"], "oracle") and not reference.has(["o2"], "single")
