"""Pages of a study with rounds, refiners and selections: what each step looked at, chose, and left as it was."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from detailscribe.report.prompt_story import looked_at, page_values
from detailscribe.report.scenario_site import parameters, write_scenario
from tests.unit.report.small_scenario import OK, PROMPTS, small_overview, table_file
from tests.unit.study.configured import CONFIG, configured_study

ID, ROUND_1 = PROMPTS[0]["id"], "detailscribe-k1"
CRITIC = {**CONFIG["critics"]["detailscribe"], "after_step": [1]}


@pytest.fixture
def page(results, scenario):
    """A function that makes the page of the first prompt, of the scenario with changes."""

    def make(**changes) -> str:
        folder = results / "mine" / "report"
        write_scenario(folder, replace(scenario, **changes), small_overview(), results, 1)
        text = (folder / "prompts" / f"{ID}.html").read_text()
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))

    return make


def rounds(scenario, status="nothing_to_correct", **image) -> dict:
    """A second round, of which the critic looked at the first, and its image."""
    first = scenario.images[ROUND_1]
    row = {**OK, "status": status, "critique": "All is there.", "refined_prompt": "Three badgers carry a ladder."}
    images = {id: {**first[id], **image, "prompt": "Three badgers carry a ladder."} for id in first}
    base = {id: {**first[id], "prompt": "Two tired badgers carry a ladder."} for id in first}
    scores = {
        name: rows | {(id, "round_2-k1"): rows[id, ROUND_1] for id in first} for name, rows in scenario.scores.items()
    }
    return {
        "critiques": scenario.critiques | {"round_2": dict.fromkeys(first, row)},
        "critics": scenario.critics | {"round_2": ["round_2-k1"]},
        "looked_at": {"round_2": ROUND_1},
        "images": scenario.images | {ROUND_1: base, "round_2-k1": images},
        "methods": [*scenario.methods, {"name": "round_2", "candidates": ["round_2-k1"], "headline": "single"}],
        "scores": scores,
    }


def test_a_later_round_shows_the_image_that_was_looked_at_and_what_changed_since(page, scenario):
    text = page(**rounds(scenario, "ok"))
    assert f"Looked at {ROUND_1} ." in text and f"looked at: {ROUND_1}" in text
    assert f"Refined prompt, compared with that of {ROUND_1}" in text
    assert "Two tired Three badgers carry a ladder." in text, "the change since the round before, not since p0"
    assert "Nothing to correct" not in text


def test_a_critic_that_stopped_and_the_image_that_it_left_say_so(page, scenario):
    text = page(**rounds(scenario, carried=True))
    assert "Nothing to correct: the image stays as it is." in text
    assert f"Nothing to correct: {ROUND_1} unchanged." in text
    assert "compared with that" not in text and "nothing_to_correct" not in text


SELECTED = {
    **{"id": ID, **OK, "image_set": ROUND_1, "candidate": ROUND_1, "metric": "clip_score", "score": 0.8},
    "scores": {"original-1": 0.5, ROUND_1: 0.8},
}


def test_a_selection_shows_what_it_chose_by_what_and_all_scores(page, scenario):
    selected = SELECTED | {key: scenario.images[ROUND_1][ID][key] for key in ("file", "sha256", "prompt")}
    skipped = SELECTED | {
        "image_set": None,
        "candidate": None,
        "status": "skipped",
        "reason": "no judge-main of hosted",
    }
    changes = {"selections": {"best": {ID: selected}, "poor": {ID: skipped | {"metric": "judge-main"}}}}
    text = page(**changes)
    assert f"best clip_score {ROUND_1} original-1 0.500, {ROUND_1} 0.800" in text
    assert "poor judge-main skipped: no judge-main of hosted" in text
    assert "second best" not in text
    beams = {"search-r1-b2": changes["selections"]["best"], "search-r1-b4": changes["selections"]["best"]}
    text_of_beams = page(selections=beams, ranks={"search-r1-b2": 2, "search-r1-b4": 4})
    assert "search-r1-b2 clip_score (second best)" in text_of_beams
    assert "search-r1-b4 clip_score (rank 4)" in text_of_beams
    text = page(**changes | rounds(scenario, "ok") | {"looked_at": {"round_2": "best"}})
    assert f"Looked at {ROUND_1} , which best selected." in text


def test_a_critic_of_an_image_that_is_not_there_says_so(page, scenario):
    row = {**OK, "status": "skipped", "reason": "there is no image", "critique": None, "refined_prompt": None}
    changes = rounds(scenario) | {"looked_at": {"round_2": "best"}, "selections": {"best": {}}}
    changes["critiques"] |= {"round_2": dict.fromkeys(changes["critiques"]["round_2"], row)}
    text = page(**changes)
    assert "Looked at best, which has no image of this prompt." in text
    assert looked_at(replace(scenario, **changes), "round_2", ID)["image_set"] is None


def test_a_refiner_shows_its_images_with_their_settings_and_they_are_no_baselines(page, scenario):
    part = {"entry": "sdedit", "name": "sdedit", "refiner": "sdedit", "of": "original-1", "text": "detailscribe"}
    refiners = [part | {"image_sets": {"hosted": {"strength": 0.3}}}]
    text = page(refiners=refiners)
    assert "Refiner sdedit, from original-1 , with the refined prompt of detailscribe." in text
    assert "hosted strength 0.3" in text
    values = page_values(replace(scenario, refiners=refiners), PROMPTS[0])
    assert values["baselines"] == [] and values["made_from"]["hosted"] == "original-1"
    own = [refiners[0] | {"text": ""}]
    assert "Refiner sdedit, from original-1 , with its prompt." in page(refiners=own)
    both = page(refiners=[*own, refiners[0] | {"image_sets": {ROUND_1: {}}}])
    assert "Refiner sdedit, from original-1 . hosted strength 0.3" in both, "one group for one source"
    assert f"{ROUND_1} prompt of detailscribe" in both


def test_a_critic_without_an_image_of_its_own_is_shown(page, scenario):
    text = page(
        critics={**scenario.critics, "adviser": []},
        critiques={"adviser": scenario.critiques["detailscribe"], **scenario.critiques},
    )
    assert "adviser Refined prompt" in text


def test_the_report_of_a_study_without_such_steps_has_the_parameters_that_it_had():
    values = parameters(configured_study())["report"]
    assert set(values) == {"notice", "methods", "critics", "selector", "labels", "metrics", "placeholders"}
    assert [set(each) for each in values["critics"]] == [{"name", "candidates"}] * 3


def test_critics_are_shown_round_by_round_and_refinements_by_their_entry():
    study = configured_study(
        critics={
            "ablation": None,
            "adviser": {**CRITIC, "after_step": "none"},
            "a3": {**CRITIC, "of": "b2-k1"},
            "b2": {**CRITIC, "of": "detailscribe-k1"},
        },
        refiners={
            "search": {"refiner": "noise_search", "verifier": "clip_score", "rounds": 2, "neighbours": 1},
            "search_2": {"refiner": "sdedit", "text": "b2", "strengths": [0.5]},
        },
    )
    values = parameters(study)["report"]
    assert [row["name"] for row in values["critics"]] == ["detailscribe", "gpt_refine", "b2", "a3", "adviser"]
    assert {row["name"]: row.get("of") for row in values["critics"]}["a3"] == "b2-k1"
    assert [(row["entry"], row["name"], row["of"]) for row in values["refiners"]] == [
        ("search", "search-r1", study.originals()[0]),
        ("search", "search-r2", "search-r1"),
        ("search_2", "search_2", "detailscribe-k1"),
    ]
    assert values["selections"] == ["search-r1", "search"] and "ranks" not in values
    rows = [row["name"] for row in values["methods"]]
    assert "search" in rows and "search-r1" not in rows, "a step of the search is on the pages, and no row"
    beam = {"refiner": "noise_search", "verifier": "clip_score", "rounds": 2, "neighbours": 1, "width": 2}
    assert parameters(configured_study(refiners={"beam": beam}))["report"]["ranks"] == {"beam-r1-b2": 2}


def test_the_overview_says_what_the_scores_of_refiners_and_selections_are(results, scenario):
    folder = results / "mine" / "report"
    write_scenario(folder, scenario, small_overview(rule="Their rule."), results, 1)
    assert "best of their candidates per metric. Their rule. Other rules" in (folder / "index.html").read_text()


def main_table(**changes) -> pd.DataFrame:
    """Two methods under two metrics: one image, and the best of some by the first metric."""
    rows = [("sd", "single", "a", 0.5, 28.0, 0.0), ("best", "by:a", "a", 0.9, 140.0, 0.0)]
    rows += [("sd", "single", "b", 0.4, 28.0, 0.0), ("best", "by:a", "b", 0.3, 140.0, 5.0)]
    rows += [("best", "mean", "a", 0.6, 140.0, 0.0), ("best", "oracle", "b", 0.8, 140.0, 0.0)]
    table = pd.DataFrame(rows, columns=["method", "selection", "metric", "mean", "steps", "calls"])
    table = table.assign(scenario="mine", headline=[True] * 4 + [False] * 2, n=8, low95=0.1, high95=1.0, leads=False)
    table = table.assign(oracle=[False, True, False, False, False, True])
    return table.assign(honest=[True, False, True, True, True, False], **changes)


LEADS = [False] * 4 + [True, False]  # by the row `mean` of best


@pytest.mark.parametrize(
    ("leads", "bold"), [(False, []), (LEADS, ["0.600"]), (True, ["0.500", "0.400", "0.300", "0.600"])]
)
def test_an_oracle_cell_has_a_dagger_is_never_bold_and_has_its_honest_row_right_below(results, scenario, leads, bold):
    folder, main = results / "mine" / "report", main_table(leads=leads)
    optimism = pd.DataFrame({"oracle": [0.7], "mean": [0.2]})
    tables = [table_file(results, "main", main), table_file(results, "optimism", optimism)]
    write_scenario(folder, scenario, replace(small_overview(tables=tables), main=main), results, 1)
    page = (folder / "index.html").read_text()
    assert sorted(re.findall(r"<strong>([0-9.]+)</strong>", page)) == sorted(bold)
    short, long = page.split('<section id="tables"')
    assert re.findall(r"([0-9.]+)(?:</strong>)?†<small>", short) == ["0.900"]
    assert re.findall(r"([0-9.]+)†</td>", long) == ["0.900", "0.800"], "where the whole main table is shown"
    rows = re.findall(r'<th scope="row" title="([^"]*)">(.*?)</th>', short)
    assert rows == [("sd", "sd"), ("best: by:a", "best †"), ("best: mean", "↳ mean of its images")]
    assert short.count("† Oracle cell: the metric shown chose this image") == 1
    assert ("Nothing is bold" in short) == (not bold)


def test_the_main_table_of_the_page_has_costs_where_the_tables_have(results, scenario):
    folder = results / "mine" / "report"
    write_scenario(folder, scenario, replace(small_overview(), main=main_table()), results, 1)
    page = (folder / "index.html").read_text()
    assert "steps</th>" in page and '<td class="number">140</td><td class="number">0 to 5</td>' in page
    without = main_table().drop(columns=["steps", "calls"])
    write_scenario(folder, scenario, replace(small_overview(), main=without), results, 1)
    assert "steps</th>" not in (folder / "index.html").read_text()
