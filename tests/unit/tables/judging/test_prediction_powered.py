"""Prediction-powered means, against the library ppi-python.

`ppi_values.json` holds what the library gave (`record_ppi_values.py` made it, in an environment of its own). Where the
library is installed, it is also asked now; the project does not depend on it.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.judging.prediction_powered import (
    FEW_OTHERS,
    FEW_OTHERS_SCORED,
    NOT_SHORTER,
    OFF_SCALE,
    TOO_FEW,
    TOO_FEW_SCORED,
    assisted_mean,
    assisted_means,
    cross_fitted_weights,
    tuned_weights,
    weighted_mean,
)
from tests.unit.tables.judging import record_ppi_values

RECORDED = json.loads((Path(__file__).parent / "ppi_values.json").read_text(encoding="utf-8"))
BOUNDS = (1.0, 5.0)


@pytest.fixture(params=list(record_ppi_values.CASES))
def case(request):
    """Name, data (people, judged, others) and the library's values."""
    recorded = RECORDED[request.param]
    planted = record_ppi_values.planted()[request.param]
    data = {name: np.array(recorded.get(name, values), float) for name, values in planted.items()}
    return request.param, tuple(data[name] for name in ("people", "judged", "others")), recorded["library"]


def test_weights_and_estimates_are_the_librarys(case):
    _, data, library = case
    weights = tuned_weights(*data)[: record_ppi_values.LEFT_OUT]
    assert np.clip(weights, 0, 1) == pytest.approx(library["weights_without"], abs=1e-8)
    assert weighted_mean(*data, library["weight"]) == pytest.approx(library["estimate"], abs=1e-8)


def test_the_recorded_values_are_the_librarys_of_now(case):
    pytest.importorskip("ppi_py")
    _, data, library = case
    now = record_ppi_values.of_library(*data)
    for name, value in library.items():
        assert now[name] == pytest.approx(value, abs=1e-8), name


def test_with_many_prompts_the_interval_is_the_librarys():
    data = record_ppi_values.planted()["many prompts"].values()
    found, library = assisted_mean(*data, BOUNDS), RECORDED["many prompts"]["library"]
    width = library["high95"] - library["low95"]
    assert found.assisted == pytest.approx(library["estimate"], abs=0.01 * width)
    assert found.assisted_low95 == pytest.approx(library["low95"], abs=0.02 * width)
    assert found.assisted_high95 == pytest.approx(library["high95"], abs=0.02 * width)


def test_a_prompts_weight_does_not_depend_on_its_own_rating():
    people, judged, others = record_ppi_values.planted()["fair judge"].values()
    before = cross_fitted_weights(people, judged, others)
    people[3] = 1.0
    after = cross_fitted_weights(people, judged, others)
    assert after[3] == pytest.approx(before[3], abs=1e-12) and (np.delete(after - before, 3) != 0).all()


def test_people_alone_are_the_tables_own_interval_and_the_judge_shortens_it(case):
    name, (people, judged, others), _ = case
    found = assisted_mean(people, judged, others, BOUNDS)
    low, high = mean_intervals(people[:, None], BOUNDS)
    assert (found.people, found.people_low95, found.people_high95) == (people.mean(), low[0], high[0])
    assert found.width_ratio <= 1 and 0 <= found.weight <= 1
    assert found.n_effective == pytest.approx(len(people) / found.width_ratio**2)
    if name in ("useless judge", "judge that is wrong"):
        assert (found.weight, found.why_alone) == (0, NOT_SHORTER) and found[3:6] == found[:3]
    else:
        assert not found.why_alone and found.assisted_low95 < found.assisted < found.assisted_high95
    if name in ("good judge", "many prompts"):
        assert found.width_ratio < 0.85


@pytest.mark.parametrize(("scale", "shift"), [(0.01, 0.3), (1, -40), (250, 1e3)])
def test_the_scale_of_a_judge_does_not_matter(scale, shift):
    people, judged, others = record_ppi_values.planted()["good judge"].values()
    found = assisted_mean(people, judged, others, BOUNDS)
    moved = assisted_mean(people, scale * judged + shift, scale * others + shift, BOUNDS)
    assert list(moved[:-1]) == pytest.approx(list(found[:-1]), rel=1e-6)


def changed(**values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data = record_ppi_values.planted()["good judge"] | values
    return data["people"], data["judged"], data["others"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (changed(judged=np.full(30, 3.0), others=np.full(90, 3.0)), NOT_SHORTER),
        (changed(judged=np.full(30, np.nan), others=np.full(90, np.nan)), TOO_FEW_SCORED),
        (changed(judged=np.r_[changed()[1][:7], np.full(23, np.nan)]), TOO_FEW_SCORED),
        (changed(others=np.r_[np.full(89, np.nan), 3.0]), FEW_OTHERS_SCORED),
        (changed(people=np.full(30, 5.0)), NOT_SHORTER),
        # Whoever is rated 1 is among the rated prompts, and the judge sees it: the others are all better than that.
        ((np.r_[1.0, np.full(16, 5)], np.r_[1.0, np.full(16, 5)], np.full(40, 5.4)), OFF_SCALE),
        (changed(others=np.array([])), FEW_OTHERS),
        (changed(others=np.array([3.0])), FEW_OTHERS),
        (tuple(each[:7] for each in changed()), TOO_FEW),
    ],
)
def test_what_a_judge_cannot_help_with_is_people_alone(data, why):
    found = assisted_mean(*data, BOUNDS)
    assert (found.why_alone, found.weight, found.width_ratio) == (why, 0, 1)
    assert found[3:6] == found[:3] and not np.isnan(found[:3]).any()


@pytest.mark.parametrize(("count", "unknown"), [(0, 3), (1, 2)])
def test_an_interval_of_fewer_than_two_prompts_is_not_a_number(count, unknown):
    found = assisted_mean(*(each[:count] for each in changed()), BOUNDS)
    assert np.isnan(found[:3]).sum() == unknown and found.why_alone == TOO_FEW


def test_another_prompt_without_a_score_is_no_prompt_and_a_rated_one_counts_with_its_rating_alone():
    people, judged, others = changed()
    whole = assisted_mean(people, judged, others, BOUNDS)
    gaps = others.copy()
    gaps[::3] = np.nan
    fewer = others[~np.isnan(gaps)]
    without = assisted_mean(people, judged, fewer, BOUNDS)
    assert list(assisted_mean(people, judged, gaps, BOUNDS)[:-1]) == pytest.approx(list(without[:-1]), rel=1e-7)
    judged[:12] = np.nan
    found = assisted_mean(people, judged, gaps, BOUNDS)
    assert found[:3] == whole[:3] and whole.width_ratio < found.width_ratio < 1
    # The twelve correct nothing: what the other prompts correct is that of these alone, diluted to all that are rated.
    alone = assisted_mean(people[12:], judged[12:], fewer, BOUNDS)
    scale = people.std() / people[12:].std()  # of the scores
    assert found.weight == pytest.approx(alone.weight / scale)
    assert 30 * (found.assisted - found.people) == pytest.approx(18 * (alone.assisted - alone.people))


def test_columns_are_computed_apart():
    generator = np.random.default_rng(0)
    people, others = generator.integers(1, 6, (20, 4)).astype(float), generator.normal(0, 1, (50, 4))
    judged = np.array([1.0, 0.0, -1.0, np.nan]) * people + generator.normal(0, 0.5, (20, 4))
    judged[3, 0] = others[:20, 0] = others[:49, 1] = np.nan
    found = assisted_means(people, judged, others, BOUNDS)
    assert [bool(each.weight) for each in found] == [True, False, False, False]
    for column, each in enumerate(found):
        alone = assisted_mean(people[:, column], judged[:, column], others[:, column], BOUNDS)
        assert list(each[:-1]) == pytest.approx(list(alone[:-1]), rel=1e-7) and each.why_alone == alone.why_alone


@pytest.mark.parametrize(
    ("rated", "paired", "unscored"),
    [
        (10, False, ""),
        (25, False, ""),
        (25, True, ""),
        (50, True, ""),
        (50, False, "others"),  # 80 % of these, by chance
        (50, False, "poor"),  # rated or not, mostly prompts whose images are poor
        (50, True, "poor"),
    ],
)
def test_intervals_cover_the_planted_mean_and_are_shorter(rated, paired, unscored):
    generator, covered, ratios = np.random.default_rng(rated), [], []
    for _ in range(200):
        truth = generator.normal(3.2, 0.9, (2, 200))
        people = np.clip(truth + generator.normal(0, 0.3, truth.shape), 1, 5)
        judge = truth + generator.normal(0, 0.4, truth.shape)
        if unscored == "poor":
            judge[generator.random(truth.shape) < np.where(truth < 3.2, 0.4, 0.1)] = np.nan
        elif unscored:
            judge[:, rated:][:, generator.random(200 - rated) < 0.8] = np.nan
        if paired:
            people, judge, mean, bounds = people[:1] - people[1:], judge[:1] - judge[1:], 0.0, (-4.0, 4.0)
        else:
            mean, bounds = 3.2, BOUNDS  # clipping moves it by 0.01
        found = assisted_mean(people[0, :rated], judge[0, :rated], judge[0, rated:], bounds, paired)
        covered.append(found.assisted_low95 <= mean <= found.assisted_high95)
        ratios.append(found.width_ratio)
    assert 0.9 <= np.mean(covered) <= 0.99
    longest = 0.9 if unscored else 0.85 if rated == 10 else 0.7
    assert np.median(ratios) < longest and max(ratios) <= 1
