"""Tables of marks worked by hand, and the released study's shape of folder."""

import json

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from detailscribe.errors import InputError
from detailscribe.human import tables
from detailscribe.human.released import compare_exactly, methods_of, read_released
from detailscribe.prompts.prompt_file import prompt_id

METHODS = [
    {"name": "sd", "candidates": ["original-11"]},
    {"name": "hosted", "candidates": ["hosted"]},
    {"name": "detailscribe", "candidates": ["k0", "k1"]},
]
IMAGE_SETS = ["original-11", "hosted", "k0", "k1"]
BOOTSTRAP = {"resamples": 200, "seed": 0}
MARKS = {  # (original-11, hosted, k0, k1); a missing mark leaves out what needs it
    ("r1", "a"): (3, 4, 2, 5),
    ("r2", "a"): (2, 4, 4, 1),
    ("r1", "b"): (1, 4, None, 3),
}


def ratings(marks) -> list[dict]:
    return [
        {"rater": rater, "id": id, "image_set": name, "rating": value, "file": f"{id}/{name}.jpg"}
        for (rater, id), values in marks.items()
        for name, value in zip(IMAGE_SETS, values, strict=True)
        if value
    ]


def test_means_worked_by_hand():
    table = tables.average(ratings(MARKS), METHODS, BOOTSTRAP)
    found = {(row.method, row.selection): (row.n, row.prompts, row.mean) for row in table.itertuples()}
    assert found == {
        ("sd", "single"): (3, 2, 2.0),
        ("hosted", "single"): (3, 2, 4.0),
        ("detailscribe", "oracle"): (2, 1, 4.5),  # each rater's own best: 5 and 4, though the candidates differ
        ("detailscribe", "by:other_raters"): (2, 1, 1.5),  # what the other one likes best: 2 and 1
        ("detailscribe", "mean"): (2, 1, 3.0),
        ("detailscribe", "k0"): (2, 1, 3.0),
        ("detailscribe", "k1"): (3, 2, 3.0),
    }
    best = table[table["headline"]].set_index("method")
    assert list(best["best_alone"]) == [0, 0, 1] and list(best["best_shared"]) == [0, 1, 1]
    assert list(best["best_rate"]) == [0, 0, 0.5]
    quirk = tables.average(ratings(MARKS), METHODS, BOOTSTRAP, ties_win=True)
    assert list(quirk[quirk["headline"]]["best_rate"]) == [0, 0.5, 1]


def test_no_mark_at_all_gives_a_table_without_numbers():
    assert tables.average([], METHODS, BOOTSTRAP)["mean"].isna().all()
    assert tables.reliability([], BOOTSTRAP)["value"].isna().all()
    assert tables.raters([], {"r1": 4})[["n", "missing"]].to_numpy().tolist() == [[0, 4]]


def test_the_interval_resamples_prompts_with_all_their_marks():
    generator = np.random.default_rng(0)
    marks = {}
    for place in range(40):
        base = generator.integers(1, 6)
        for rater in ("r1", "r2", "r3", "r4"):  # raters agree: four marks tell no more than one
            marks[rater, f"p{place}"] = (base, base, base, base)
    four = tables.average(ratings(marks), METHODS[:1], BOOTSTRAP).iloc[0]
    one = tables.average(ratings({k: v for k, v in marks.items() if k[0] == "r1"}), METHODS[:1], BOOTSTRAP).iloc[0]
    assert four["n"] == 160 and one["n"] == 40
    assert (four["low95"], four["high95"]) == pytest.approx((one["low95"], one["high95"]))


def test_raters_and_their_reliability():
    marks = {("r1", f"p{n}"): (1, 2, 3, 5) for n in range(5)} | {("r2", f"p{n}"): (1, 2, 4, 5) for n in range(5)}
    table = tables.raters(ratings(marks), {"r1": 20, "r2": 21}).set_index("rater")
    assert list(table["missing"]) == [0, 1] and list(table["mean"]) == [2.75, 3.0]
    assert table["spearman_with_others"].min() == pytest.approx(1)
    alpha = tables.reliability(ratings(marks), BOOTSTRAP).set_index("statistic")
    assert alpha.loc["alpha_interval", "images"] == 20 and 0.8 < alpha.loc["alpha_interval", "value"] < 1
    assert (alpha["low95"] <= alpha["value"]).all()


def test_a_metric_is_held_against_people_once_for_each_pair_of_different_images():
    marks = ratings({("r1", "a"): (5, 3, 3, 1), ("r2", "a"): (5, 3, 1, 1), ("r1", "b"): (2, 4, 2, 2)})
    for row in marks:
        if row["image_set"] == "k1":
            row["file"] = f"{row['id']}/k0.jpg"  # the same picture shown twice is one image
    score = {("a", "a/original-11.jpg"): 1.0, ("a", "a/hosted.jpg"): 0.5, ("a", "a/k0.jpg"): 0.7}
    score |= {("b", "b/original-11.jpg"): 0.1, ("b", "b/hosted.jpg"): 0.9}
    row = tables.metric_agreement(marks, {"clip": score}, BOOTSTRAP).iloc[0]
    # a: 5 > 3 hit, 5 > 1.5 hit, 3 > 1.5 miss; b: hosted over the first one a hit, k0 has no score.
    assert (row["pairs"], row["agreement"], row["images_unmatched"]) == (4, 0.75, 1)
    assert row["low95"] <= 0.75 <= row["high95"]


# ---- the released study ------------------------------------------------------------------------------------------

STEPS = ["original", "gpt_rewrite", "dalle3", "multi_seed", "gpt_refine", "0", "1", "2", "4"]
PROMPTS = [("functional", f"A fox uses tool {number}.") for number in range(3)]


@pytest.fixture
def released(tmp_path):
    """A folder in the released shape: two raters, one sheet; and what they gave by (rater, prompt, step)."""
    generator = np.random.default_rng(0)
    rows, given = [], {}
    for topic, prompt in PROMPTS:
        steps = list(generator.permutation(STEPS))
        rows.append(
            {"topic": topic, "original_prompt": prompt, "steps": steps, "image_paths": [f"{s}.jpeg" for s in steps]}
        )
    (tmp_path / "dict").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "dict" / "main_functional.jsonl").write_text(lines, encoding="utf-8")
    for rater in ("ann", "bo"):
        book = Workbook()
        sheet = book.active
        sheet.title = "Sheet1"
        for line, row in enumerate(rows, 2):
            sheet.cell(line, 1, row["original_prompt"])
            for place, step in enumerate(row["steps"]):
                mark = int(generator.integers(1, 6))
                given[rater, row["original_prompt"], step] = mark
                sheet.cell(line, 3 + 2 * place, str(mark) if rater == "bo" else mark)
        (tmp_path / rater).mkdir()
        book.save(tmp_path / rater / "main_functional.xlsx")
    return tmp_path, given


def test_the_released_ratings_give_the_released_codes_numbers(released):
    folder, given = released
    found, missing, defects = read_released(folder)
    assert (len(found), missing, defects) == (54, [], [])
    assert {row["scenario"] for row in found} == {"functional_600"}
    assert found[0]["id"] == prompt_id(*PROMPTS[0]) and found[0]["file"].endswith(".jpeg")
    table = tables.average(found, methods_of(found), BOOTSTRAP, ties_win=True)
    frame = pd.DataFrame([{"rater": r, "prompt": p, "step": s, "score": m} for (r, p, s), m in given.items()])
    wide = frame.pivot(index=["rater", "prompt"], columns="step", values="score")
    wide["ours"] = wide[["0", "1", "2", "4"]].max(axis=1)
    names = {"sd": "original", "gpt_rewrite": "gpt_rewrite", "hosted": "dalle3", "gpt_refine": "gpt_refine"}
    for method, step in {**names, "multi_seed": "multi_seed", "detailscribe": "ours"}.items():
        row = table[(table["method"] == method) & table["headline"]].iloc[0]
        expected = [wide[step].mean(), wide[step].std(), wide[step].sem()]
        assert list(row[["mean", "sd", "se"]]) == pytest.approx(expected, abs=1e-9)
        wins = wide[step] == wide[[*names.values(), "multi_seed", "ours"]].max(axis=1)
        assert row["best_rate"] == pytest.approx(wins.mean(), abs=1e-9)
    published = [
        {"scenario": "functional_600", "method": "sd", "metric": "human", "value": round(wide["original"].mean(), 3)}
    ]
    compared = compare_exactly(table.assign(scenario="functional_600"), published)
    assert [row["verdict"] for row in compared] == ["reproduced"]
    published[0]["value"] += 0.01
    assert compare_exactly(table.assign(scenario="functional_600"), published)[0]["verdict"] == "not reproduced"
    assert compare_exactly(table.assign(scenario="other"), published)[0]["verdict"] == "not testable"


def test_defects_of_the_released_folder_are_named(released, tmp_path_factory):
    from openpyxl import load_workbook

    folder, _ = released
    path = folder / "ann" / "main_functional.xlsx"
    book = load_workbook(path)
    book["Sheet1"]["C2"], book["Sheet1"]["E3"] = 7, None
    book.save(path)
    found, missing, defects = read_released(folder)
    assert defects == [f"{path}, sheet 'Sheet1', cell C2: a rating is a whole number from 1 to 5, got 7"]
    assert missing == [f"{path}, sheet 'Sheet1', cell E3"] and len(found) == 52
    book["Sheet1"]["A2"] = "Another prompt"
    book.save(path)
    assert "no dictionary (*.jsonl) holds its prompts" in read_released(folder)[2][0]
    with pytest.raises(InputError, match="released_folder: no {rater}/{sheet}.xlsx"):
        read_released(tmp_path_factory.mktemp("empty"))
