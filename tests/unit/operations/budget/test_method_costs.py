"""Costs of methods, from images that take known seconds to the ranking at equal cost."""

import pandas as pd
import pytest

from detailscribe.errors import InputError
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows, write_csv, write_rows
from detailscribe.images.seconds import LEDGERS
from detailscribe.operations.budget.method_costs import COLUMNS
from detailscribe.tables.budget.budget_table import tabulate_budget
from detailscribe.tables.budget.costs_of_methods import add_costs, decided_methods, read_costs
from detailscribe.tables.main_table import table_settings, tabulate
from detailscribe.tables.score_table import ScoreTable
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.operations.budget.planted import (
    IDS,
    SCORE_S,
    SHARD,
    draw_study,
    planted_costs,
    planted_scores,
    planted_study,
)

CALL_USD = (100 * 2 + 20 * 8) / 1e6
IN_TABLES = {"in_tables": True, "equal_compute": "gpu_seconds"}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A function that draws the study with changes to its configuration: (folder, study)."""

    def draw(**changes):
        study = planted_study(tmp_path, **changes)
        draw_study(tmp_path, study, monkeypatch)
        return tmp_path, study

    return draw


def headline(rows: list[dict]) -> dict[str, dict]:
    return {row["method"]: row for row in rows if row["headline"]}


def budget_table(folder, study, rows, *, with_honest: bool = False) -> pd.DataFrame:
    write_csv(folder / "costs.csv", COLUMNS, rows)
    settings = stage_parameters(study)["budget"]
    table = tabulate_budget(planted_scores(folder), read_costs(folder / "costs.csv"), settings)
    return table if with_honest else table[table["role"] != "honest"]


def test_the_table_ranks_by_seconds_where_steps_rank_otherwise(drawn):
    folder, study = drawn()
    table = budget_table(folder, study, planted_costs(folder, study)).set_index("method")
    assert list(table.loc[["quick", "slow"], "steps"]) == [56, 56]
    assert list(table.loc[["quick", "slow"], "gpu_seconds"]) == [28 + 14, 28 + 84]
    steps, seconds = table["gain_at_steps"], table["gain_at_seconds"]
    assert [round(steps[name], 6) for name in ("quick", "slow")] == [0.05, 0.08], "best of 2 reaches 0.50"
    assert list(table.loc[["slow", "quick"], "rank_at_steps"]) == [1, 2]
    assert list(table.loc[["quick", "slow"], "rank_at_seconds"]) == [1, 5], "seeds share the second rank"
    # 42 s are (42 - 28) / (28 + 2 * SCORE_S) of the way from one seed to the best of two.
    assert seconds["quick"] == pytest.approx(0.55 - (0.40 + 0.10 * 14 / (28 + 2 * SCORE_S)), abs=1e-6)
    assert seconds["slow"] == pytest.approx(0.58 - (0.56 + 0.04 * (112 - 84 - 3 * SCORE_S) / (28 + SCORE_S)), abs=1e-6)
    assert table.loc["sd", "gain_at_seconds"] == 0 and table.loc["sd", "seeds_at_seconds"] == 1
    assert pd.isna(table.loc["multi_seed", "gain_at_steps_low95"]), "no difference of two methods"
    assert list(table.loc["best of 4", ["steps", "gpu_seconds", "scoring_seconds"]]) == [112, 112, 4 * SCORE_S]


def test_the_honest_row_stands_right_below_an_oracle_cell_with_costs_of_its_own(drawn):
    folder, study = drawn()
    table = budget_table(folder, study, planted_costs(folder, study), with_honest=True)
    oracle = table[table["oracle"] & (table["role"] == "method")]
    assert set(oracle["method"]) == {"multi_seed", "equal_compute_seeds"}
    assert set(oracle["selection"]) == {"by:clip_score"}
    below = table.loc[oracle.index + 1]
    assert list(below["method"]) == list(oracle["method"]) and set(below["role"]) == {"honest"}
    assert set(below["selection"]) == {"mean"} and not below["oracle"].any()
    assert (below["mean"].to_numpy() < oracle["mean"].to_numpy()).all()
    assert set(below["steps"]) == {28} and below["rank_at_steps"].isna().all(), "one of the images is chosen at random"
    assert oracle["rank_at_steps"].notna().all(), "under the metric that selects the best of N, all are oracles"
    reference = table[table["role"] == "reference"]
    assert list(reference["oracle"]) == [False, True, True, True]


def test_costs_are_those_of_everything_that_a_method_needs_each_part_once(drawn):
    folder, study = drawn(selections={"best": {"among": ["initial", "quick", "slow"], "by": "clip_score"}})
    rows = planted_costs(folder, study)
    found = headline(rows)
    assert found["sd"]["calls"] == 0 and found["sd"]["usd"] == 0
    assert (found["quick"]["calls"], found["quick"]["input_tokens"], found["quick"]["output_tokens"]) == (1, 100, 20)
    best = found["best"]
    assert (best["images"], best["steps"], best["gpu_seconds"], best["calls"]) == (3, 84, 28 + 14 + 84, 2)
    assert best["scoring_seconds"] == 3 * SCORE_S
    assert best["usd"] == pytest.approx(2 * CALL_USD)
    assert best["processors"] == "planted card" and best["measured"] == 1 and best["prompts"] == len(IDS)
    one = {row["selection"]: row for row in rows if row["method"] == "best"}
    assert one["quick"]["gpu_seconds"] == 42 and one["quick"]["scoring_seconds"] == 0
    assert one["mean"]["gpu_seconds"] == pytest.approx((28 + 42 + 112) / 3)


def test_seconds_that_nobody_measured_are_empty_and_said(drawn):
    folder, study = drawn()
    for path in (folder / "results" / "s" / LEDGERS / "slow").iterdir():
        path.unlink()
    table = budget_table(folder, study, planted_costs(folder, study)).set_index("method")
    slow, quick = table.loc["slow"], table.loc["quick"]
    assert pd.isna(slow["gpu_seconds"]) and pd.isna(slow["rank_at_seconds"]) and slow["measured"] == 0.5
    assert slow["note"] == "seconds not known" and slow["steps"] == 56 and slow["rank_at_steps"] == 1
    assert quick["rank_at_seconds"] == 1 and quick["note"] == ""
    (folder / "results" / "speeds.jsonl").unlink()
    table = budget_table(folder, study, planted_costs(folder, study)).set_index("method")
    assert pd.isna(table.loc["multi_seed", "scoring_seconds"]) and pd.isna(table.loc["quick", "rank_at_seconds"])


@pytest.mark.filterwarnings("error")
def test_a_study_without_complete_prompts_or_scores_has_a_table_of_empty_cells(drawn):
    folder, study = drawn(budget=IN_TABLES)
    nothing, rows = planted_scores(folder), planted_costs(folder, study, ids=[])
    nothing.complete[:] = False
    write_csv(folder / "costs.csv", COLUMNS, rows)
    table = tabulate_budget(nothing, read_costs(folder / "costs.csv"), stage_parameters(study)["budget"])
    assert (
        set(table["n"]) == {0} == set(table["prompts"]) and table[["mean", "steps", "gain_at_steps"]].isna().all().all()
    )
    one = planted_scores(folder)
    frame = one.frame.copy()
    frame.loc[frame["image_set"] == "slow", ["score", "status"]] = [float("nan"), "failed"]
    write_csv(folder / "costs.csv", COLUMNS, planted_costs(folder, study))
    scores = ScoreTable(frame, ["clip_score"])
    table = tabulate_budget(scores, read_costs(folder / "costs.csv"), stage_parameters(study)["budget"])
    slow = table.set_index("method").loc["slow"]
    assert slow["n"] == 0 and slow["steps"] == 56 and pd.isna(slow["rank_at_steps"]) and pd.isna(slow["gain_at_steps"])


def test_a_carried_image_costs_nothing(drawn):
    folder, study = drawn()
    manifest = folder / "results" / "s" / "images" / "slow" / f"{SHARD}.jsonl"
    originals = {row["id"]: row for row in read_rows(manifest.parent.parent / "original-1" / f"{SHARD}.jsonl")}
    rows = [row if row["id"] != "p0" else originals["p0"] | {"carried": True} for row in read_rows(manifest)]
    write_rows(manifest, rows)
    slow = headline(planted_costs(folder, study))["slow"]
    assert slow["steps"] == pytest.approx(56 - 28 / 6) and slow["gpu_seconds"] == pytest.approx(112 - 84 / 6)
    assert slow["calls"] == 1, "the critic was asked all the same"


def test_the_same_files_give_the_same_rows(drawn):
    folder, study = drawn()
    assert planted_costs(folder, study) == planted_costs(folder, study)


@pytest.mark.parametrize(
    ("budget", "lost", "count", "words"),
    [
        ({}, (), 2, "2 seeds by candidates"),  # each critic has one candidate, and the initial image
        ({"equal_compute": "steps"}, (), 2, "2 seeds by steps"),
        (IN_TABLES, (), 3, "3 seeds by gpu_seconds"),  # slow takes 112 s, four seeds 112 and four scores
        (IN_TABLES, ("slow",), 2, "2 seeds by candidates, since seconds are not known"),
    ],
)
def test_seeds_at_equal_compute_are_counted_by_what_the_configuration_says(drawn, budget, lost, count, words):
    folder, study = drawn(budget=budget)
    for name in lost:
        (folder / "results" / "s" / LEDGERS / name / f"{SHARD}.jsonl").unlink()
    rows = planted_costs(folder, study)
    own = headline(rows)["equal_compute_seeds"]
    assert (own["seeds"], own["images"], own["equal_compute"]) == (count, count, words)
    assert {row["equal_compute"] for row in rows if row["method"] == "sd"} == {""}
    table = budget_table(folder, study, rows).set_index("method")
    assert table.loc["equal_compute_seeds", "gain_at_steps"] == 0


def test_the_main_table_has_the_costs_of_each_selection_and_the_seeds_that_seconds_allow(drawn):
    folder, study = drawn(budget=IN_TABLES)
    write_csv(folder / "costs.csv", COLUMNS, planted_costs(folder, study))
    costs, settings, scores = read_costs(folder / "costs.csv"), table_settings(study), planted_scores(folder)
    methods = decided_methods(settings["methods"], [costs])
    candidates = {method["name"]: list(method["candidates"]) for method in methods}
    assert candidates["equal_compute_seeds"] == ["original-1", "original-2", "original-3"]
    assert decided_methods(settings["methods"], []) == settings["methods"]
    table = tabulate(scores, methods, settings)
    with_costs = add_costs(table, costs)
    pd.testing.assert_frame_equal(with_costs[list(table)], table)
    cells = with_costs.set_index(["method", "selection"])
    assert cells.loc[("multi_seed", "by:clip_score"), "gpu_seconds"] == 56
    assert cells.loc[("multi_seed", "original-2"), "gpu_seconds"] == 28
    assert list(cells.loc[("quick", "single"), ["steps", "calls", "tokens"]]) == [56, 1, 120]
    assert cells["steps"].notna().all()


def test_measured_seconds_cannot_decide_tables_that_do_not_read_them(tmp_path):
    with pytest.raises(InputError, match="set in_tables to true"):
        planted_study(tmp_path, budget={"equal_compute": "gpu_seconds"})


def test_a_changed_digit_is_not_believed(drawn):
    folder, study = drawn()
    path = folder / "results" / "s" / LEDGERS / "quick" / f"{SHARD}.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seconds": 14.0', b'"seconds": 99.0', 2))
    assert len(Ledger(path).changed) == 2
    assert headline(planted_costs(folder, study))["quick"]["gpu_seconds"] == 42
