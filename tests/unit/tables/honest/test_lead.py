"""The lead over the next best honest row: by hand, and how often it is called sure among equal methods."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.honest.lead import LEAD_COLUMNS, add_lead
from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.main_table import tabulate
from tests.unit.tables.sample_scores import METHODS, SETTINGS, hand_worked, random_scores


def studies(kind: str, count: int, prompts: int, methods: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Table rows, values and limits of equal methods: each study is a metric of its own, prompts differ."""
    generator = np.random.default_rng([prompts, methods])
    difficulty = generator.normal(0, 0.7, (prompts, count, 1))
    values = difficulty + generator.normal(0, 1, (prompts, count, methods))
    if kind == "grades":
        values = 1.0 + (values[..., None] > [-1.5, -0.5, 0.5, 1.2]).sum(axis=-1)
    if kind == "yes":
        values = (values > 0.5).astype(float)
    if kind == "uneven":  # the mean of four images beside one image
        values[..., 0] = difficulty[..., 0] + generator.normal(0, 0.5, (prompts, count))
    if kind == "skewed":
        values = difficulty + generator.gamma(2, 1, values.shape)
    keys = [(f"m{method}", f"study{study}") for study in range(count) for method in range(methods)]
    table = pd.DataFrame(keys, columns=["method", "metric"]).assign(honest=True)
    values = values.reshape(prompts, -1)
    limits = np.tile([[1.0], [5.0]] if kind == "grades" else [[0.0], [1.0]], values.shape[1])
    return table.assign(mean=values.mean(axis=0)), values, limits


@pytest.mark.parametrize("kind", ["normal", "grades", "yes", "skewed", "uneven"])
@pytest.mark.parametrize("methods", [2, 3, 8])
@pytest.mark.parametrize("prompts", [8, 25, 200])
def test_equal_methods_are_called_different_in_at_most_five_percent(kind, methods, prompts):
    count = 1000 if prompts < 200 else 400
    table, values, limits = studies(kind, count, prompts, methods)
    bounded = np.full(len(table), kind in ("grades", "yes"))
    add_lead(table, values, limits, bounded)
    bold = table.groupby("metric")["leads"].any()
    assert bold.mean() <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / count)
    assert bold.any() or methods > 2, "a lead that is never sure would be of no use"


def test_the_lead_is_the_paired_difference_of_the_two_best_and_stands_in_the_row_of_the_best():
    values = np.array(
        [[3.0, 5.0, 1.0, 9.0], [4.0, 5.0, 1.0, 9.0], [3.0, 4.0, 2.0, 9.0], [2.0, 5.0, 1.0, 9.0], [3.0, 5.0, 1.0, 9.0]]
    )
    table = pd.DataFrame(
        {"method": ["sd", "best", "worst", "oracle"], "metric": "judge", "honest": [True] * 3 + [False]}
    )
    table["mean"] = values.mean(axis=0)
    add_lead(table, values, np.tile([[1.0], [10.0]], 4), np.full(4, True))
    row = table.loc[1]
    assert row["next_best"] == "sd" and row["lead"] == pytest.approx(1.8)
    low, high = mean_intervals(values[:, [1]] - values[:, [0]], (-9, 9), (-9, 9), paired=True)
    assert (row["lead_low95"], row["lead_high95"]) == (pytest.approx(low[0]), pytest.approx(high[0]))
    assert row["leads"] == (low[0] > 0)
    others = table.drop(1)
    assert not others["leads"].any() and (others["next_best"] == "").all() and others["lead"].isna().all()


@pytest.mark.parametrize(
    ("first", "second", "leads"),
    [
        ([1.0] * 9, [1.0] * 9, False),  # a tie
        ([2.0] * 30, [1.0] * 30, True),
        ([2.0] + [np.nan] * 8, [1.0] * 9, False),  # one prompt has both
        ([2.0] * 9, [np.nan] * 9, False),  # none to compare with
        ([1.0 + 1e-16] * 9, [1.0] * 9, False),
    ],
)
@pytest.mark.filterwarnings("error")
def test_ties_single_prompts_and_missing_rivals_are_no_lead(first, second, leads):
    values = np.array([first, second]).T
    table = pd.DataFrame({"method": ["a", "b"], "metric": "judge", "honest": True, "mean": [np.nanmean(first), 1.0]})
    table.loc[1, "mean"] = np.nan if np.isnan(second).all() else 1.0
    add_lead(table, values, np.array([[1.0, 1.0], [5.0, 5.0]]), np.array([True, True]))
    assert table["leads"].tolist() == [leads, False]


def test_only_honest_rows_take_part_and_an_oracle_cell_never_leads():
    for scores in (random_scores(40), random_scores(40, ties=True), hand_worked()):
        table = tabulate(scores, METHODS, SETTINGS)
        assert not (table["honest"] & table["oracle"]).any() and not (table["leads"] & table["oracle"]).any()
        assert table.groupby(["method", "metric"])["honest"].sum().eq(1).all()
        best = table[table["honest"] & table["mean"].notna()].sort_values("mean", ascending=False, kind="stable")
        assert list(table[table["lead"].notna()].index) == sorted(best.groupby("metric", sort=False).head(1).index)
        assert set(LEAD_COLUMNS) <= set(table.columns)
