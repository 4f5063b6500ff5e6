"""Tables and human ratings: from scores to tables, and from rating sheets to agreement, through the whole pipeline."""

import json

import pandas as pd
import pytest
from openpyxl import load_workbook

from detailscribe.study.stages import FIGURES
from tests.unit.human.pairs.sample_pairs import exported
from tests.workflow.small_study import PROMPTS, Study, planned

pytestmark = pytest.mark.slow  # several runs of a study each


def grouped(study, groups: list[str]) -> None:
    """Write the prompts with a stratum each."""
    rows = [
        {"topic": topic, "prompt": prompt, "stratum": group}
        for (topic, prompt), group in zip(PROMPTS, groups, strict=True)
    ]
    (study.folder / "small.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def table(study, name: str) -> pd.DataFrame:
    return pd.read_csv(study.results / name, keep_default_na=False)


def test_every_table_and_figure_of_a_small_study_is_there(finished):
    study = Study(finished)
    main, pooled = table(study, "small/tables/main.csv"), table(study, "tables/pooled.csv")
    assert list(main[["method", "selection", "metric", "n", "mean"]].itertuples(index=False)) == list(
        pooled[["method", "selection", "metric", "n", "mean"]].itertuples(index=False)
    )
    assert set(main["n"]) == {4} and set(main["missing"]) == {0}
    assert list(table(study, "tables/main.csv").columns) == ["scenario", *main.columns]
    assert {"other_prompts", "by:clip_score"} <= set(table(study, "small/tables/optimism.csv")["against"])
    assert len(table(study, "small/tables/judges.csv")) == 0 == len(table(study, "small/tables/strata.csv"))
    assert set(table(study, "tables/published.csv")["verdict"]) == {"not testable"}
    for name in FIGURES:  # test_scores.py looks at real ones
        assert all((study.results / f"small/figures/{name}.{kind}").is_file() for kind in ("svg", "png"))
    for name in ("small/tables/main", "tables/pooled"):
        assert "are no evidence about the paper" in (study.results / f"{name}.md").read_text(encoding="utf-8")
        assert "\\toprule" in (study.results / f"{name}.tex").read_text(encoding="utf-8")


def test_regrouping_prompts_redoes_tables_and_nothing_else(study):
    before = study.times()
    grouped(study, ["one", "one", "two", "two"])
    jobs = planned(study.snakemake())
    strata = table(study, "small/tables/strata.csv")
    assert set(strata["stratum"]) == {"one", "two"} and set(strata["n"]) == {2}
    assert study.times() == before
    assert "tabulate_scenario" in jobs and not {"generate_images", "judge_images", "score_images"} & jobs.keys()
    assert study.nothing_to_do()


def test_filled_rating_sheets_become_means_and_agreement(study):
    study.snakemake("small_human_sheets")
    sheets, filled = study.results / "small" / "human" / "sheets", study.folder / "human" / "small"
    filled.mkdir(parents=True)
    keys = study.rows("human/sheets/keep/key.jsonl")
    sent = {path.name: path.read_bytes() for path in (sheets / "send").iterdir()}
    assert sorted(sent) == ["README.txt", *(f"rater_{n}.{kind}" for n in (1, 2) for kind in ("html", "xlsx"))]
    # What is sent says nothing of where an image came from.
    assert not [row["id"] for row in keys for data in sent.values() if row["id"].encode() in data]
    sheets = sheets / "send"
    for rater in ("rater_1", "rater_2"):
        assert (sheets / f"{rater}.html").read_text(encoding="utf-8").count('type="text/plain"') > 1
        book = load_workbook(sheets / f"{rater}.xlsx")
        for row in keys:
            if row["rater"] == rater:
                book[row["sheet"]][f"{row['column']}{row['row']}"] = 5 if row["image_set"] == "hosted" else 2
        book.save(filled / f"{rater}.xlsx")
    study.snakemake("small_human_agreement")
    main = table(study, "small/human/main.csv").set_index(["method", "selection"])
    assert main.loc[("hosted", "single"), "mean"] == 5.0 and main.loc[("sd", "single"), "mean"] == 2.0
    reliability = table(study, "small/human/reliability.csv").set_index("statistic")
    assert float(reliability.loc["alpha_ordinal", "value"]) == 1
    agreement = table(study, "small/human/agreement.csv").set_index("metric")
    scores, images = {}, {row["id"]: row["images"] for row in study.rows("dictionary.jsonl")}
    for row in study.rows("scores/clip_score/*.jsonl"):
        scores[row["id"], row["image_set"]] = row["score"]
    rated_methods = {(row["id"], row["file"]) for row in keys}
    hits = [  # people prefer the hosted image to every other one
        0.5 if scores[id, "hosted"] == scores[id, name] else float(scores[id, "hosted"] > scores[id, name])
        for id, sets in images.items()
        for name in {file: name for name, file in sets.items() if name not in ("hosted", "multi_seed")}.values()
        if (id, sets[name]) in rated_methods
    ]
    assert agreement.loc["clip_score", "pairs"] == len(hits) > 0
    assert float(agreement.loc["clip_score", "agreement"]) == round(sum(hits) / len(hits), 6)
    assisted, worth = (
        table(study, "small/human/assisted.csv"),
        table(study, "small/human/worth.csv").set_index("metric"),
    )
    assert set(assisted["status"]) == {"ok"} and set(assisted["reason"]) == {"fewer than 8 rated prompts"}
    hosted = assisted[(assisted["method"] == "hosted") & (assisted["statistic"] == "difference")]
    assert list(hosted["judge"]) == list(agreement.index) and set(hosted["assisted"].astype(float)) == {3.0}
    assert worth.loc["clip_score", "ratings_n"] == len(hits) and worth.loc["clip_score", "mmrb2"] == ""
    assert worth.loc["clip_score", "ratings_agreement"] == agreement.loc["clip_score", "agreement"]
    # Another program's file beside them would be passed over, with older ratings in its place.
    (filled / "rater_2.ods").touch()
    assert "rater_2.ods: a .ods file is not read" in study.snakemake("small_human_scores", expect=1)
    (filled / "rater_2.ods").unlink()
    broken = load_workbook(filled / "rater_2.xlsx")
    broken.worksheets[1]["E2"] = 9
    broken.save(filled / "rater_2.xlsx")
    assert "cell E2: a rating is a whole number from 1 to 5, got 9" in study.snakemake("small_human_scores", expect=1)


def test_pairs_that_people_compared_become_win_rates_and_strengths(study):
    assert "has no table of choices" in study.snakemake("small_human_pair_scores", expect=1)
    study.snakemake("small_human_pair_sheets")
    sheets = study.results / "small" / "human" / "pair_sheets" / "send"
    filled = study.folder / "human" / "small" / "pairs"
    filled.mkdir(parents=True)
    rows = study.rows("human/pair_sheets/keep/key.jsonl")
    keys = {
        rater: [
            {name: value for name, value in row.items() if name != "sheet"} for row in rows if row["rater"] == rater
        ]
        for rater in ("rater_1", "rater_2")
    }
    images = {row["id"]: row["images"] for row in study.rows("dictionary.jsonl")}
    assert len(images) == len({row["id"] for row in rows}) and all(
        row[f"{side}_file"] == images[row["id"]][row[f"{side}_image_set"]]
        for row in rows
        for side in ("first", "second")
    )

    def answer(row):
        sides = {row["first"]: "first", row["second"]: "second"}
        return {"choice": sides["hosted"], "strength": "clearly"} if "hosted" in sides else {"choice": "tie"}

    for rater, key in keys.items():
        page = (sheets / f"{rater}.html").read_text(encoding="utf-8")
        assert page.count('type="text/plain"') > 1 and not any(row["id"] in page for row in key)
        (filled / f"{rater}.pairs.csv").write_text(exported(key, answer), encoding="utf-8")
        study.snakemake("small_human_pair_scores")
        table_of = table(study, "small/human/pair_raters.csv").set_index("rater")
        assert table_of.loc[rater, "n"] == len({row["pair"] for row in key if row["pair"]})
    assert study.nothing_to_do("small_human_pair_scores")
    main = table(study, "small/human/pair_main.csv").set_index(["method", "other"])
    assert set(main.loc[("hosted", "sd"), ["n", "answers", "wins", "losses"]]) == {len(images), 2 * len(images), 0}
    assert main.loc[("hosted", "sd"), "win_rate"] == 1 and main.loc[("gpt_rewrite", "sd"), "win_rate"] == 0.5
    strengths = table(study, "small/human/strengths.csv").set_index("method")
    assert strengths["rank"].idxmin() == "hosted" and strengths.loc["sd", "strength"] == 0
    reliability = table(study, "small/human/pair_reliability.csv").set_index("statistic")
    assert float(reliability.loc["alpha_ordinal", "value"]) == 1
    pairs = table(study, "small/human/pairs.csv")
    assert set(pairs["rater"]) == set(keys) and len(pairs) == len(rows)
    # A second table of one rater would hide the first one.
    (filled / "rater_2 (1).csv").write_text(exported(keys["rater_2"], answer), encoding="utf-8")
    assert "rater_2 has 2 tables here (rater_2 (1).csv, rater_2.pairs.csv)" in study.snakemake(
        "small_human_pair_scores", expect=1
    )


def test_a_released_folder_without_workbooks_is_named(study):
    assert "no {rater}/{sheet}.xlsx" in study.snakemake("human_released", expect=1, human={"released_folder": "."})
