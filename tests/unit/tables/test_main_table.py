"""Tables worked by hand, by a second implementation, and where there is next to nothing to tabulate."""

import warnings

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables import markdown_latex
from detailscribe.tables.main_table import COLUMNS, by_stratum, tabulate
from detailscribe.tables.score_table import Scores, gather, read
from detailscribe.tables.selection_bias import by_other_draw, by_other_prompts, optimism

METHODS = [
    {"name": "sd", "candidates": ["o1"], "headline": "single"},
    {"name": "multi_seed", "candidates": ["o1", "o2"], "headline": "by:clip"},
    {"name": "ours", "candidates": ["k0", "k1"], "headline": "oracle"},
]
SETTINGS = {
    "bootstrap": {"resamples": 200, "seed": 0},
    "statistics": {"baseline": "sd", "test": "permutation", "permutations": 1000},
    "ranges": {"clip": None, "judge": [1, 5]},
    "ties_win": False,
}
# Worked by hand: prompts a, b; clip prefers o2 for a, o1 for b; judge is missing for (b, k1).
CLIP = {
    ("a", "o1"): 0.2, ("a", "o2"): 0.6, ("b", "o1"): 0.5, ("b", "o2"): 0.1,
    ("a", "k0"): 0.4, ("a", "k1"): 0.8, ("b", "k0"): 0.6, ("b", "k1"): 0.2,
}  # fmt: skip
JUDGE = {
    ("a", "o1"): 5, ("a", "o2"): 1, ("b", "o1"): 3, ("b", "o2"): 4,
    ("a", "k0"): 2, ("a", "k1"): 4, ("b", "k0"): 5, ("b", "k1"): None,
}  # fmt: skip


def rows(values: dict, status: str = "unparsed") -> list[dict]:
    return [
        {"id": id, "image_set": name, "score": value, "status": status if value is None else "ok"}
        for (id, name), value in values.items()
    ]


def scores(ids: str = "ab", complete: str | None = None, dropped=(), **values) -> Scores:
    prompts = [{"id": id, "topic": id, "prompt": id, "stratum": "x" if id == "a" else "y"} for id in ids]
    found = {metric: rows(value) for metric, value in (values or {"clip": CLIP, "judge": JUDGE}).items()}
    return Scores(gather(prompts, set(ids if complete is None else complete), list(dropped), found), list(found))


def cells(table: pd.DataFrame) -> dict:
    return {(row["method"], row["selection"], row["metric"]): row for row in table.to_dict("records")}


def many(n: int, ties: bool = False) -> Scores:
    generator = np.random.default_rng(5)
    ids = [f"p{place}" for place in range(n)]
    drawn = {
        metric: {
            (id, name): float(generator.integers(1, 6)) if ties else generator.normal() for id in ids for name in NAMES
        }
        for metric in ("clip", "judge")
    }
    prompts = [{"id": id} for id in ids]
    return Scores(gather(prompts, set(ids), [], {metric: rows(value) for metric, value in drawn.items()}), list(drawn))


NAMES = ["o1", "o2", "k0", "k1"]


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
    row = cells(tabulate(scores(), METHODS, SETTINGS))[cell]
    assert row["n"] == n
    assert row["mean"] == pytest.approx(mean)


def test_the_papers_selection_is_marked_once_a_method_and_metric():
    marked = [key for key, row in cells(tabulate(scores(), METHODS, SETTINGS)).items() if row["headline"]]
    assert {(method, metric) for method, _, metric in marked} == {
        (method["name"], metric) for method in METHODS for metric in ("clip", "judge")
    }
    assert len(marked) == 6


def test_a_metric_never_selects_for_itself_under_an_honest_name():
    found = cells(tabulate(scores(), METHODS, SETTINGS))
    assert ("ours", "by:clip", "clip") not in found
    assert ("ours", "by:judge", "clip") in found


def test_what_is_missing_is_counted_by_reason_and_bounded():
    # A third prompt lost an image of the seeds, but `ours` has its clip scores: the bounds know them.
    clip = {**CLIP, ("c", "o1"): 0.3, ("c", "o2"): None, ("c", "k0"): 0.9, ("c", "k1"): 0.7}
    dropped = [
        {"id": "c", "stage": "generate", "image_set": "o2", "status": "failed"},
        {"id": "c", "stage": "score", "image_set": "o2", "status": "skipped"},
    ]
    found = cells(tabulate(scores("abc", "ab", dropped, clip=clip, judge=JUDGE), METHODS, SETTINGS))
    row = found["ours", "oracle", "judge"]
    assert (row["n"], row["missing"]) == (1, 2)
    assert row["missing_reasons"] == "judge unparsed: 1; o2 failed: 1"
    assert (row["lowest"], row["highest"]) == (pytest.approx((4 + 1 + 1) / 3), pytest.approx((4 + 5 + 5) / 3))
    row = found["ours", "oracle", "clip"]
    assert (row["n"], row["missing_reasons"], row["mean"]) == (2, "o2 failed: 1", pytest.approx(0.7))
    assert row["lowest"] == row["highest"] == pytest.approx((0.8 + 0.6 + 0.9) / 3)
    row = found["multi_seed", "mean", "clip"]  # no range is declared: the lowest and highest score of any image
    assert (row["lowest"], row["highest"]) == (
        pytest.approx((0.4 + 0.3 + 0.1) / 3),
        pytest.approx((0.4 + 0.3 + 0.9) / 3),
    )


def test_differences_are_taken_prompt_by_prompt():
    generator = np.random.default_rng(0)
    ids = [f"p{place}" for place in range(30)]
    values = {(id, name): float(generator.integers(1, 6)) for id in ids for name in NAMES}
    values["p3", "k1"] = None
    found = Scores(gather([{"id": id} for id in ids], set(ids), [], {"clip": rows(values)}), ["clip"])
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


def test_holm_runs_over_the_headline_rows_and_apart_from_that_over_the_others():
    table = tabulate(many(20), METHODS, SETTINGS)
    for rows_, family in ((table["headline"], 4), (~table["headline"], 17)):
        compared = table[rows_ & table["p"].notna()]
        assert set(compared["family"]) == {family} == {len(compared)}
        smallest = compared.loc[compared["p"].idxmin()]
        assert smallest["p_holm"] == pytest.approx(min(1, smallest["p"] * family))
    assert table[table["method"] == "sd"]["p"].isna().all()


def test_the_released_codes_aggregate_comes_out_under_its_quirk():
    """Mean, standard deviation, standard error and win rate, as pandas gives them for a long table of scores."""
    for found in (many(60), many(60, ties=True)):
        long = []
        methods = [METHODS[0], {"name": "other", "candidates": ["o2"], "headline": "single"}, METHODS[2]]
        table = cells(tabulate(found, methods, {**SETTINGS, "ties_win": True}))
        values = {name: found.array("clip", [name])[:, 0] for name in NAMES}
        for place in range(60):
            of_prompt = {
                "sd": values["o1"][place],
                "other": values["o2"][place],
                "ours": max(values["k0"][place], values["k1"][place]),
            }
            top = max(of_prompt.values())
            long += [{"method": name, "score": score, "win": score == top} for name, score in of_prompt.items()]
        frame = pd.DataFrame(long).groupby("method").agg({"score": ["mean", "std", "sem"], "win": "mean"})
        for name, selection in (("sd", "single"), ("other", "single"), ("ours", "oracle")):
            row = table[name, selection, "clip"]
            ours = [row["mean"], row["sd"], row["se"], row["best_rate"]]
            assert ours == pytest.approx(list(frame.loc[name]), abs=1e-9)


def test_best_alone_and_shared_are_counted_apart():
    clip = {("a", "o1"): 1.0, ("a", "o2"): 0.0, ("a", "k0"): 1.0, ("a", "k1"): 0.5} | {
        ("b", "o1"): 0.0, ("b", "o2"): 0.1, ("b", "k0"): 0.9, ("b", "k1"): 0.5,
    }  # fmt: skip
    found = cells(tabulate(scores(clip=clip), METHODS, SETTINGS))
    counts = {
        key[0]: (row["best_alone"], row["best_shared"], row["best_rate"])
        for key, row in found.items()
        if row["headline"]
    }
    assert counts == {"sd": (0, 1, 0.0), "multi_seed": (0, 1, 0.0), "ours": (1, 1, 0.5)}


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("test", ["permutation", "wilcoxon"])
def test_few_prompts_give_a_table_without_a_warning(n, test):
    settings = {**SETTINGS, "statistics": {**SETTINGS["statistics"], "test": test}}
    found = many(n) if n else scores("", clip=CLIP, judge=JUDGE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = tabulate(found, METHODS, settings)
        optimism(found, METHODS, settings["bootstrap"])
        assert "demo" in markdown_latex.markdown(table, "demo", "", settings)
        assert "booktabs" in markdown_latex.latex(table, "demo", "", settings)
    assert list(table.columns) == COLUMNS
    assert set(table["n"]) == {n}
    assert table["low95"].isna().all() == (n < 2)
    assert table["dz"].isna().all() == (n < 2)


def test_strata_have_a_table_each():
    table = by_stratum(scores(), METHODS, SETTINGS)
    assert set(table["stratum"]) == {"x", "y"} and set(table["missing"]) <= {0, 1}
    row = table[(table["stratum"] == "y") & (table["method"] == "sd") & (table["metric"] == "clip")]
    assert row[["n", "mean"]].to_numpy().tolist() == [[1, 0.5]]
    assert len(by_stratum(many(3), METHODS, SETTINGS)) == 0


def test_the_score_table_comes_back_from_its_file(tmp_path):
    judged = rows(JUDGE)
    judged[0]["draws"] = [5, None, 4.5]
    frame = gather([{"id": "a"}, {"id": "b"}], {"a", "b"}, [], {"judge": judged})
    frame.to_csv(tmp_path / "scores.csv", index=False)
    again = read(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    drawn = Scores(again, ["judge"]).draws("judge", ["o1", "o2"])
    assert drawn.shape == (2, 2, 3)
    assert np.array_equal(drawn[0, 0], [5, np.nan, 4.5], equal_nan=True)


def test_optimism_against_other_prompts_is_unbiased_where_candidates_are_alike():
    generator = np.random.default_rng(0)
    gains = []
    for _ in range(300):
        values = generator.normal(size=(15, 4))
        gains.append((values.max(axis=1) - by_other_prompts(values, 0)).mean())
    expected = 1.0294  # of the largest of four normal values
    assert np.mean(gains) == pytest.approx(expected, abs=3 * np.std(gains) / np.sqrt(300))
    assert np.isnan(by_other_prompts(np.ones((1, 3)), 0)).all()


def test_a_fixed_choice_is_found_where_one_candidate_is_better():
    values = np.random.default_rng(0).normal(size=(40, 3)) + [0, 3, 0]
    assert by_other_prompts(values, 0) == pytest.approx(values[:, 1])


def test_another_draw_shows_the_winners_curse():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(20_000, 4, 2))  # noise alone: the pick is worth nothing
    oracle, fresh = by_other_draw(values)
    assert oracle.mean() == pytest.approx(1.0294, abs=0.02) and fresh.mean() == pytest.approx(0, abs=0.02)


def test_the_paper_table_marks_what_survives_holm_and_escapes():
    ids = [f"p{place}" for place in range(20)]
    values = {
        (id, name): {"o1": 0.0, "o2": 0.1}.get(name, 5.0) + 0.01 * place
        for place, id in enumerate(ids)
        for name in NAMES
    }
    found = Scores(gather([{"id": id} for id in ids], set(ids), [], {"clip": rows(values)}), ["clip"])
    table = tabulate(found, METHODS, SETTINGS)
    text = markdown_latex.markdown(table, "my|title", "Means nothing.", SETTINGS)
    assert "| ours | oracle | 5.095* [" in text and "**Means nothing.**" in text
    assert "| sd | single | 0.095 [" in text
    latex = markdown_latex.latex(table, "a_b & c", "100 % real", SETTINGS)
    assert r"multi\_seed & by:clip" in latex and r"a\_b \& c" in latex and r"100 \% real" in latex
    assert latex.count("\\toprule") == latex.count("\\bottomrule") == 1
