"""Ratings of the released study: a folder in its format, against the released code's statistics."""

import json

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook, load_workbook

from detailscribe.errors import InputError
from detailscribe.human.rating_statistics import mean_ratings
from detailscribe.human.released import compare_human_means, released_methods, released_tables
from detailscribe.human.released_workbooks import read_released
from detailscribe.prompts.prompt_file import prompt_id
from tests.unit.human.sample_ratings import BEST_OF

STEPS = ["original", "gpt_rewrite", "dalle3", "multi_seed", "gpt_refine", "0", "1", "2", "4"]
PROMPTS = [("functional", f"A fox uses tool {number}.") for number in range(3)]


@pytest.fixture
def released(tmp_path):
    """A folder in the released format, two raters, one sheet; and the ratings by (rater, prompt, step)."""
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
            for position, step in enumerate(row["steps"]):
                rating = int(generator.integers(1, 6))
                given[rater, row["original_prompt"], step] = rating
                sheet.cell(line, 3 + 2 * position, str(rating) if rater == "bo" else rating)
        (tmp_path / rater).mkdir()
        book.save(tmp_path / rater / "main_functional.xlsx")
    return tmp_path, given


def test_the_released_ratings_give_the_released_codes_numbers(released):
    folder, given = released
    ratings, missing, defects, _ = read_released(folder)
    assert (len(ratings), missing, defects) == (54, [], [])
    assert {row["scenario"] for row in ratings} == {"functional_600"}
    assert ratings[0]["id"] == prompt_id(*PROMPTS[0]) and ratings[0]["file"].endswith(".jpeg")
    table = mean_ratings(ratings, released_methods(ratings), BEST_OF, ties_win=True, papers_way=True)
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
        {"scenario": "functional_600", "method": method, "metric": "human", "value": round(wide[step].mean(), 3)}
        for method, step in (("sd", "original"), ("detailscribe", "ours"))
    ]
    compared = compare_human_means(table.assign(scenario="functional_600"), published)
    assert [row["verdict"] for row in compared] == ["reproduced", "reproduced"]
    own = mean_ratings(ratings, released_methods(ratings), BEST_OF).assign(scenario="functional_600")
    assert compare_human_means(own, published) == compared, "the paper's way, whatever the headline"
    tables = released_tables(ratings, {"best_of": BEST_OF, "ties_win": True, "published": published})
    assert list(tables["published"]["verdict"]) == ["reproduced", "reproduced"]
    assert set(tables["main"]["scenario"]) == {"functional_600", "all"} and len(tables["ratings"]) == 54
    assert dict(zip(tables["raters"]["rater"], tables["raters"]["n"], strict=True)) == {"ann": 27, "bo": 27}
    published[0]["value"] += 0.01
    assert compare_human_means(table.assign(scenario="functional_600"), published)[0]["verdict"] == "not reproduced"
    assert compare_human_means(table.assign(scenario="other"), published)[0]["verdict"] == "not testable"


def test_defects_of_the_released_folder_are_named(released, tmp_path_factory):
    folder, _ = released
    path = folder / "ann" / "main_functional.xlsx"
    book = load_workbook(path)
    book["Sheet1"]["C2"], book["Sheet1"]["E3"] = 7, None
    book.save(path)
    ratings, missing, defects, _ = read_released(folder)
    assert defects == [f"{path}, sheet 'Sheet1', cell C2: a rating is a whole number from 1 to 5, got 7"]
    assert missing == [f"{path}, sheet 'Sheet1', cell E3"] and len(ratings) == 52
    book["Sheet1"]["A2"] = "Another prompt"
    book.save(path)
    assert "no dictionary (*.jsonl) holds its prompts" in read_released(folder)[2][0]
    with pytest.raises(InputError, match="released_folder: no {rater}/{sheet}.xlsx"):
        read_released(tmp_path_factory.mktemp("empty"))
    with pytest.raises(InputError, match="released_folder is empty"):
        read_released("")


def test_files_of_other_programs_in_a_released_folder_are_read_or_named(released, capsys):
    folder, given = released
    path = folder / "ann" / "main_functional.xlsx"
    path.rename(folder / "ann" / "main_functional.XLSM")
    (folder / "dict" / "main_functional.jsonl").rename(folder / "dict" / "other.JSONL")
    (folder / "summary.xlsx").touch()
    (folder / "ann" / "~$main_functional.xlsx").touch()
    ratings, missing, defects, _ = read_released(folder)
    assert (len(ratings), missing, defects) == (len(given), [], [])
    assert f"{folder / 'summary.xlsx'}: not read" in capsys.readouterr().out
    path = folder / "bo" / "main_functional.ods"
    path.touch()
    (defect,) = read_released(folder)[2]
    assert defect.startswith(
        f"{path}: not read; ratings are in {{rater}}/{{sheet}}.xlsx below {folder}: save it as .xlsx"
    )


def test_a_broken_workbook_a_formula_and_stray_rows_of_a_released_folder_are_named(released):
    folder, given = released
    path = folder / "ann" / "main_functional.xlsx"
    book = load_workbook(path)
    book["Sheet1"]["C2"], book["Sheet1"]["E2"] = "=1+1", " 4.0 "
    book["Sheet1"]["Z1000000"] = "far"
    book.save(path)
    ratings, missing, defects, _ = read_released(folder)
    assert defects == [
        f"{path}, sheet 'Sheet1', cell C2: a formula without its value; open the file in a program that calculates and "
        "save it again"
    ]
    assert len(ratings) == len(given) - 1
    path.write_bytes(path.read_bytes()[:-200])
    assert "cannot be read as a workbook" in read_released(folder)[2][0]


@pytest.mark.parametrize(
    "row",
    [
        {"original_prompt": 3, "steps": []},
        {"original_prompt": "p", "steps": "original"},
        {"original_prompt": "p", "steps": ["0", "1"], "image_paths": ["x"]},
        {"original_prompt": "p", "steps": ["0"], "image_paths": [], "topic": 1},
    ],
)
def test_a_dictionary_of_another_shape_is_named_by_line(released, row):
    folder, _ = released
    (folder / "dict" / "b.jsonl").write_text("\n" + json.dumps(row))
    with pytest.raises(InputError, match=r"b\.jsonl, line 2: needs the texts original_prompt and topic"):
        read_released(folder)
