"""Whole plans in a folder: of a study's results, of an unfinished one, of published numbers, of a table; figure."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from detailscribe.errors import InputError
from detailscribe.files.rows import write_rows
from detailscribe.operations.power.power_report import write_power
from detailscribe.operations.power.power_table import COLUMNS, DEFAULTS
from detailscribe.study.judging.human_pairs import human_pair_parameters
from detailscribe.study.judging.pair_schedule import compared_methods, schedule_of, scheduled_pairs
from detailscribe.study.study import Study
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.unit.study.configured import CONFIG, configured_study

PROMPTS = 30
(JUDGE_OF_PAIRS,) = configured_study().judges_asked("pairs")
PNG, SVG = b"\x89PNG", b"<?xml"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources" / "miniature" / "sd3").mkdir(parents=True)  # the identity of no weights
    return tmp_path


def plan(folder: Path, **settings) -> tuple[list[str], list[dict]]:
    return plan_of(configured_study(power=settings), folder)


def plan_of(study: Study, folder: Path) -> tuple[list[str], list[dict]]:
    text = write_power(study, stage_parameters(study), folder / "results", folder / "exchanges")
    assert (folder / "results" / "power.png").read_bytes().startswith(PNG)
    assert (folder / "results" / "power.svg").read_bytes().startswith(SVG)
    with open(folder / "results" / "power.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    return text, rows


def scored(folder: Path, prompts: int = PROMPTS, draws: int = 1) -> None:
    """Scores of a study whose tables are not made yet."""
    study, generator = configured_study(), np.random.default_rng(0)
    for scorer in ("clip_score", "judge-main"):
        rows = []
        for prompt in range(prompts):
            base = generator.normal()
            for image_set in study.image_sets():
                given = [float(np.clip(np.round(3 + base + generator.normal()), 1, 5)) for _ in range(draws)]
                row = {"id": f"p{prompt}", "image_set": image_set, "status": "ok", "score": sum(given) / draws}
                rows.append(row | ({"draws": given} if scorer == "judge-main" else {}))
        write_rows(folder / "results" / "demo" / "scores" / scorer / "000-of-001.jsonl", rows)


def test_without_data_a_plan_stands_on_published_numbers_and_says_so(folder):
    text, rows = plan(folder)
    assert text[0].startswith("Planned from published numbers")
    assert {row["source"] for row in rows} == {"published"}
    assert {row["metric"] for row in rows if row["design"] == "means"} >= {"clip_score", "judge-main", "human"}
    of_pairs = {row["metric"]: row for row in rows if row["design"] == "pairs"}
    assert set(of_pairs) == {JUDGE_OF_PAIRS, "human"}
    assert {float(row["difference"]) for row in of_pairs.values()} == {0.1}
    assert int(of_pairs["human"]["family"]) == len(human_pairs(configured_study()))
    assert float(of_pairs["human"]["hours"]) > 0
    assert {row["raters"] for row in rows if row["design"] == "pairs" and row["metric"] == "human"} == {"1", "2", "4"}
    assert all(float(row["prompts"]) > 10 and row["note"] for row in rows)


def human_pairs(study: Study) -> list[tuple[str, str]]:
    values = human_pair_parameters(study)
    return scheduled_pairs("one", [method["name"] for method in values["methods"]], values["schedule"])


def test_a_table_of_the_users_is_on_the_scales_and_in_the_families_of_the_study(folder):
    lines = ["metric,design,sd_of_difference", f"{JUDGE_OF_PAIRS},pairs,0.8", "judge-main,,1", "human,pairs,0.8"]
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    _, rows = plan(folder, source="mine.csv")
    found = {row["metric"]: row for row in rows}
    assert [float(row["difference"]) for row in rows] == [0.1, 0.2, 0.1]
    assert found[JUDGE_OF_PAIRS]["draws"] == "2"
    study = configured_study()
    names = [method.name for method in compared_methods(study, JUDGE_OF_PAIRS)]
    pairs = scheduled_pairs("one", names, schedule_of(study, JUDGE_OF_PAIRS))
    assert int(found[JUDGE_OF_PAIRS]["family"]) == len(pairs)
    assert int(found["human"]["family"]) == len(human_pairs(study))


def test_an_unfinished_study_is_planned_from_the_scores_so_far(folder):
    scored(folder, draws=2)
    text, rows = plan(folder, draws=[1, 2, 8])
    assert text[0].startswith("Planned from the results in this folder (demo)")
    assert {row["metric"] for row in rows} == {"clip_score", "judge-main"}
    assert {row["n"] for row in rows} == {str(PROMPTS)}
    families = {row["family"] for row in rows}
    assert families == {str(2 * (len(configured_study().methods()) - 1))}
    by_draws = {
        row["draws"]: float(row["sd"])
        for row in rows
        if row["method"] == "gpt_rewrite" and row["metric"] != "clip_score"
    }
    assert list(by_draws) == ["1", "2", "8"] and by_draws["1"] > by_draws["2"] > by_draws["8"]


def test_ratings_and_pairs_of_a_study_are_planned_from_too(folder):
    scored(folder)
    human = folder / "results" / "demo" / "human"
    human.mkdir()
    generator = np.random.default_rng(1)
    lines = ["rater,id,image_set,rating,file"]
    for prompt in range(PROMPTS):
        for rater in ("r1", "r2"):
            for image_set in ("original-2628670643", "gpt_rewrite"):
                lines.append(f"{rater},p{prompt},{image_set},{generator.integers(1, 6)},")
    (human / "ratings.csv").write_text("\n".join(lines) + "\n")
    pairs = ["rater,id,first,second,value"] + [f"r1,p{n},sd,gpt_rewrite,{n % 3 - 1}" for n in range(PROMPTS)]
    (human / "pairs.csv").write_text("\n".join([*pairs, "r1,p0,sd,gpt_rewrite,"]) + "\n")
    judged = [
        {"id": f"p{n}", "first": first, "second": second, "value": value, "status": "ok"}
        for n, value in enumerate(generator.choice([-1.0, 0.0, 1.0], PROMPTS))
        for first, second in (("gpt_rewrite", "sd"), ("sd", "gpt_rewrite"))
    ]
    write_rows(folder / "results" / "demo" / "pairs" / JUDGE_OF_PAIRS / "000-of-001.jsonl", judged)
    _, rows = plan(folder)
    found = {(row["design"], row["metric"], row["judge"]) for row in rows if row["method"] == "gpt_rewrite"}
    assert found == {
        ("means", "clip_score", ""),
        ("means", "judge-main", ""),
        ("means", "human", ""),
        ("assisted", "human", "clip_score"),
        ("assisted", "human", "judge-main"),
        ("pairs", "human", ""),
        ("pairs", JUDGE_OF_PAIRS, ""),
    }
    assert all(float(row["hours"]) > 0 for row in rows if row["metric"] == "human")


def test_an_error_in_ratings_names_file_and_line(folder):
    human = folder / "results" / "demo" / "human"
    human.mkdir(parents=True)
    (human / "ratings.csv").write_text("rater,id,image_set,rating,file\nr1,p1,sd,four,\n")
    with pytest.raises(InputError, match=r"ratings\.csv, line 2: rating is 'four', no number"):
        plan(folder)


def test_a_table_of_the_users_comes_before_results_here(folder):
    scored(folder)
    (folder / "mine.csv").write_text("metric;sd_of_difference;n\nclip_score;0.1;40\n")
    text, rows = plan(folder, source="mine.csv", difference={"clip_score": 0.05}, family=1)
    assert text[0].startswith("Planned from mine.csv")
    assert [(row["metric"], row["n"], row["source"]) for row in rows] == [("clip_score", "40", "mine.csv, line 2")]
    assert abs(int(rows[0]["prompts"]) - 34) <= 1


@pytest.mark.parametrize(("source", "words"), [("pilot", "run `snakemake pilot`"), ("none.csv", "none.csv is no file")])
def test_a_source_without_data_is_refused_with_a_way_out(folder, source, words):
    with pytest.raises(InputError, match=words):
        plan(folder, source=source)


def test_several_scenarios_are_planned_apart_and_together(folder):
    (folder / "other.jsonl").write_text('{"topic": "fox", "prompt": "A fox."}\n')
    scored(folder)
    (folder / "results" / "other").mkdir()
    (folder / "results" / "demo" / "scores").rename(folder / "results" / "other" / "scores")
    scored(folder)
    study = configured_study(study=["demo", "other"], scenarios={"other": str(folder / "other.jsonl")})
    text, rows = plan_of(study, folder)
    counts = {row["scenario"]: int(row["n"]) for row in rows}
    assert counts == {"demo": PROMPTS, "other": PROMPTS, "all": 2 * PROMPTS}
    assert any(line.startswith("scenario") for line in text)


def test_the_same_results_give_the_same_bytes(folder):
    scored(folder)
    written = []
    for _ in range(2):
        plan(folder)
        written.append([(folder / "results" / f"power.{kind}").read_bytes() for kind in ("csv", "svg", "png")])
    assert written[0] == written[1]


def test_too_few_permutations_for_a_family_are_named(folder):
    scored(folder)
    study = configured_study(statistics={"permutations": 1000})
    text, _ = plan_of(study, folder)
    (line,) = [line for line in text if "permutations" in line]
    assert line.startswith("1000 permutations are too few for 14 comparisons") and "permutations: 8000" in line


def test_the_settings_have_the_defaults_of_the_configuration_and_are_all_in_the_schema():
    assert CONFIG["power"] == DEFAULTS
    schema = yaml.safe_load((REPOSITORY / "config" / "config.schema.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]["power"]["properties"]) == set(DEFAULTS)
    assert "power" not in schema["required"]


def test_no_parameter_file_depends_on_a_plan(folder):
    one, other = (stage_parameters(configured_study(power={"difference": value})) for value in (0.2, 0.9))
    assert one == other
