"""The main table worked by hand, by a second implementation, and with next to no prompts."""

import warnings

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables import markdown_latex
from detailscribe.tables.main_table import MAIN_COLUMNS, tabulate, tabulate_strata
from detailscribe.tables.score_table import ScoreTable, score_frame
from detailscribe.tables.selection import selection_bias
from detailscribe.tables.significance import holm
from tests.unit.tables.sample_scores import (
    CLIP,
    JUDGE,
    METHODS,
    NAMES,
    SETTINGS,
    hand_worked,
    random_scores,
    score_rows,
)


def cells(table: pd.DataFrame) -> dict:
    return {(row["method"], row["selection"], row["metric"]): row for row in table.to_dict("records")}


@pytest.mark.parametrize(
    ("cell", "n", "mean"),
    [
        (("sd", "single", "clip"), 2, 0.35),
        (("multi_seed", "by:clip", "clip"), 2, 0.55),
        (("multi_seed", "by:clip", "judge"), 2, 2.0),
        (("multi_seed", "by:judge", "clip"), 2, 0.15),
        (("multi_seed", "oracle", "judge"), 2, 4.5),
        (("ours", "oracle", "clip"), 2, 0.7),
        (("ours", "mean", "clip"), 2, 0.5),
        (("ours", "k0", "judge"), 2, 3.5),
        (("ours", "k1", "judge"), 1, 4.0),
        (("ours", "oracle", "judge"), 1, 4.0),
        (("ours", "by:clip", "judge"), 1, 4.0),
    ],
)
def test_means_worked_by_hand(cell, n, mean):
    row = cells(tabulate(hand_worked(), METHODS, SETTINGS))[cell]
    assert row["n"] == n
    assert row["mean"] == pytest.approx(mean)


def test_the_papers_selection_is_marked_once_per_method_and_metric():
    marked = [key for key, row in cells(tabulate(hand_worked(), METHODS, SETTINGS)).items() if row["headline"]]
    assert {(method, metric) for method, _, metric in marked} == {
        (method["name"], metric) for method in METHODS for metric in ("clip", "judge")
    }
    assert len(marked) == 6


def test_a_metric_never_selects_for_itself_under_an_honest_name():
    by_cell = cells(tabulate(hand_worked(), METHODS, SETTINGS))
    assert ("ours", "by:clip", "clip") not in by_cell
    assert ("ours", "by:judge", "clip") in by_cell


def test_what_is_missing_is_counted_by_reason_and_bounded():
    # A third prompt lacks an image of the seeds, but `ours` has its clip scores: the bounds use them.
    clip = {**CLIP, ("c", "o1"): 0.3, ("c", "o2"): None, ("c", "k0"): 0.9, ("c", "k1"): 0.7}
    dropped = [
        {"id": "c", "stage": "generate", "image_set": "o2", "status": "failed"},
        {"id": "c", "stage": "score", "image_set": "o2", "status": "skipped"},
    ]
    by_cell = cells(tabulate(hand_worked("abc", "ab", dropped, clip=clip, judge=JUDGE), METHODS, SETTINGS))
    row = by_cell["ours", "oracle", "judge"]
    assert (row["n"], row["missing"]) == (1, 2)
    assert row["missing_reasons"] == "judge unparsed: 1; o2 failed: 1"
    assert (row["lowest"], row["highest"]) == (pytest.approx((4 + 1 + 1) / 3), pytest.approx((4 + 5 + 5) / 3))
    row = by_cell["ours", "oracle", "clip"]
    assert (row["n"], row["missing_reasons"], row["mean"]) == (2, "o2 failed: 1", pytest.approx(0.7))
    assert row["lowest"] == row["highest"] == pytest.approx((0.8 + 0.6 + 0.9) / 3)
    row = by_cell["multi_seed", "mean", "clip"]  # no declared range: the lowest and highest score of any image
    assert (row["lowest"], row["highest"]) == (
        pytest.approx((0.4 + 0.3 + 0.1) / 3),
        pytest.approx((0.4 + 0.3 + 0.9) / 3),
    )


def test_differences_are_taken_prompt_by_prompt():
    generator = np.random.default_rng(0)
    ids = [f"p{index}" for index in range(30)]
    values = {(id, name): float(generator.integers(1, 6)) for id in ids for name in NAMES}
    values["p3", "k1"] = None
    found = ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], {"clip": score_rows(values)}), ["clip"])
    row = cells(tabulate(found, METHODS, SETTINGS))["ours", "oracle", "clip"]
    kept = [id for id in ids if id != "p3"]
    differences = np.array([max(values[id, "k0"], values[id, "k1"]) - values[id, "o1"] for id in kept])
    assert (row["n_pairs"], row["difference"]) == (29, pytest.approx(differences.mean()))
    assert [row[name] for name in ("wins", "ties", "losses")] == [sum(differences * sign > 0) for sign in (1,)] + [
        sum(differences == 0),
        sum(differences < 0),
    ]
    assert row["win_rate"] == pytest.approx((differences > 0).mean())
    assert row["dz"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert row["difference_low95"] < row["difference"] < row["difference_high95"]
    quirk = cells(tabulate(found, METHODS, {**SETTINGS, "ties_win": True}))["ours", "oracle", "clip"]
    assert quirk["win_rate"] == pytest.approx((differences >= 0).mean())


def test_holm_corrects_headline_rows_honest_rows_and_all_others_separately():
    table = tabulate(random_scores(20), METHODS, SETTINGS)
    headline, honest = table["headline"], table["honest"] & (table["method"] != "sd")
    for members, shown, family in (
        (headline, headline, 4),
        (honest, honest & ~headline, 4),  # two methods under two metrics; one of these rows is a headline
        (~headline & ~honest, ~headline & ~honest, 14),
    ):
        compared = table[members & table["p"].notna()]
        of_family = compared.assign(p_holm=holm(compared["p"].to_numpy(float))).loc[shown[compared.index]]
        assert len(compared) == family and set(table[shown & table["p"].notna()]["family"]) == {family}
        rows = table.loc[of_family.index]
        assert rows["p_holm"].to_numpy(float) == pytest.approx(of_family["p_holm"].to_numpy(float))
    assert len(table[honest & ~headline]) == 3
    assert table[table["method"] == "sd"]["p"].isna().all()


def test_other_selections_of_the_baseline_are_no_honest_rows_of_a_family():
    statistics = SETTINGS["statistics"] | {"baseline": "ours"}
    table = tabulate(random_scores(20), METHODS, SETTINGS | {"statistics": statistics})
    row = table[table["honest"] & ~table["headline"] & (table["method"] == "ours")].iloc[0]
    honest = table["honest"] & (table["method"] != "ours") & table["p"].notna()
    assert row["family"] == (~table["headline"] & ~honest & table["p"].notna()).sum() > honest.sum()


def test_the_released_codes_aggregate_is_reproduced_with_its_quirk():
    """Mean, standard deviation, standard error and win rate, as pandas computes them from a long table of scores."""
    for found in (random_scores(60), random_scores(60, ties=True)):
        long = []
        methods = [METHODS[0], {"name": "other", "candidates": ["o2"], "headline": "single"}, METHODS[2]]
        table = cells(tabulate(found, methods, {**SETTINGS, "ties_win": True}))
        values = {name: found.array("clip", [name])[:, 0] for name in NAMES}
        for index in range(60):
            of_prompt = {
                "sd": values["o1"][index],
                "other": values["o2"][index],
                "ours": max(values["k0"][index], values["k1"][index]),
            }
            top = max(of_prompt.values())
            long += [{"method": name, "score": score, "win": score == top} for name, score in of_prompt.items()]
        frame = pd.DataFrame(long).groupby("method").agg({"score": ["mean", "std", "sem"], "win": "mean"})
        for name, selection in (("sd", "single"), ("other", "single"), ("ours", "oracle")):
            row = table[name, selection, "clip"]
            ours = [row["mean"], row["sd"], row["se"], row["best_rate"]]
            assert ours == pytest.approx(list(frame.loc[name]), abs=1e-9)


def test_best_alone_and_shared_are_counted_separately():
    clip = {("a", "o1"): 1.0, ("a", "o2"): 0.0, ("a", "k0"): 1.0, ("a", "k1"): 0.5} | {
        ("b", "o1"): 0.0, ("b", "o2"): 0.1, ("b", "k0"): 0.9, ("b", "k1"): 0.5,
    }  # fmt: skip
    by_cell = cells(tabulate(hand_worked(clip=clip), METHODS, SETTINGS))
    counts = {
        key[0]: (row["best_alone"], row["best_shared"], row["best_rate"])
        for key, row in by_cell.items()
        if row["headline"]
    }
    assert counts == {"sd": (0, 1, 0.0), "multi_seed": (0, 1, 0.0), "ours": (1, 1, 0.5)}


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("test", ["permutation", "wilcoxon"])
def test_few_prompts_give_a_table_without_a_warning(n, test):
    settings = {**SETTINGS, "statistics": {**SETTINGS["statistics"], "test": test}}
    found = random_scores(n) if n else hand_worked("", clip=CLIP, judge=JUDGE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = tabulate(found, METHODS, settings)
        selection_bias(found, METHODS, settings["ranges"], settings["bootstrap"])
        assert "demo" in markdown_latex.to_markdown(table, "demo", "", settings)
        assert "booktabs" in markdown_latex.to_latex(table, "demo", "", settings)
    assert list(table.columns) == MAIN_COLUMNS
    assert set(table["n"]) == {n}
    assert table["low95"].isna().all() == (n < 2)
    assert table["dz"].isna().all() == (n < 2)


def test_each_stratum_has_a_table():
    table = tabulate_strata(hand_worked(), METHODS, SETTINGS)
    assert set(table["stratum"]) == {"x", "y"} and set(table["missing"]) <= {0, 1}
    row = table[(table["stratum"] == "y") & (table["method"] == "sd") & (table["metric"] == "clip")]
    assert row[["n", "mean"]].to_numpy().tolist() == [[1, 0.5]]
    assert len(tabulate_strata(random_scores(3), METHODS, SETTINGS)) == 0


def shifted(shift, count: int = 10) -> dict:
    """Scores of one metric: `o1` random, every other image higher by `shift(prompt)`."""
    generator = np.random.default_rng(7)
    values = {}
    for number in range(count):
        base = float(generator.random())
        values |= {(f"p{number}", name): base + (shift(number) if name != "o1" else 0.0) for name in NAMES}
    return values


def table_of(values: dict, **settings) -> dict:
    ids = list(dict.fromkeys(id for id, _ in values))
    found = ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], {"clip": score_rows(values)}), ["clip"])
    return cells(tabulate(found, METHODS, SETTINGS | settings))


def test_differences_by_rounding_are_ties_everywhere():
    row = table_of(shifted(lambda number: 1e-17 + 1e-16 * (number % 2)))["ours", "oracle", "clip"]
    assert [row[name] for name in ("wins", "ties", "losses", "difference", "p")] == [0, 10, 0, 0, 1]
    assert (row["best_alone"], row["best_shared"], row["win_rate"]) == (0, 10, 0)
    row = table_of(shifted(lambda number: 1e-6))["ours", "oracle", "clip"]
    assert (row["wins"], row["ties"]) == (10, 0)


def test_a_constant_shift_has_no_standardised_effect_and_the_reason_is_given():
    row = table_of(shifted(lambda number: 0.1))["ours", "oracle", "clip"]
    assert np.isnan(row["dz"]) and np.isnan(row["detectable"])
    assert row["note"] == "all differences are equal: dz and detectable are undefined"
    assert row["p"] < 0.01 and row["difference_low95"] < 0.1 < row["difference_high95"]
    row = table_of(shifted(lambda number: 0.1 * number))["ours", "oracle", "clip"]
    assert row["dz"] > 0 and row["note"] == ""


def test_the_best_is_counted_among_the_family_only():
    values = shifted(lambda number: 0.1)
    values |= {(id, "o2"): value + 0.1 for (id, name), value in values.items() if name == "k0"}
    assert table_of(values)["ours", "oracle", "clip"]["best_rate"] == 0
    by_cell = table_of(values, best_of=["sd", "ours"])
    row = by_cell["ours", "oracle", "clip"]
    assert (row["best_alone"], row["best_rate"], row["best_rate_high95"]) == (10, 1, 1)
    assert 0.6 < row["best_rate_low95"] < 0.8 and 0.6 < row["win_rate_low95"] < 0.8
    assert pd.isna(by_cell["multi_seed", "by:clip", "clip"]["best_rate"])
    assert pd.isna(by_cell["ours", "mean", "clip"]["best_rate"])
