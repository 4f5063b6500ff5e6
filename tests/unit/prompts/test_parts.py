"""Parts of a prompt: interactions of the decomposition and the things in them."""

import pytest

from detailscribe.prompts import spacy_model
from detailscribe.prompts.noun_phrases import resolve_parser
from detailscribe.prompts.parts import entities_of, list_parts, parameters
from tests.unit.study.configured import configured_study

JUDGE = {
    **{"endpoint": "offline", "model": "offline-stand-in", "template": "judge_part", "scenario_templates": {}},
    **{"asks": "parts", "scale": "yes_no", "reply": "brackets", "options": {}, "draws": 1},
}
# Components as the paper's figure, the templates' example, the demo and language models write them.
ENTITIES = {
    "paw holds rolling pin": ["paw", "rolling pin"],
    "rolling pin presses dough": ["rolling pin", "dough"],
    "dough lies on table": ["dough", "table"],
    "paw hold rolling pin": ["paw", "rolling pin"],
    "pin roll dough": ["pin", "dough"],
    "dough on table": ["dough", "table"],
    "hand gripping handle": ["hand", "handle"],
    "needle pierces cloth": ["needle", "cloth"],
    "flint strikes steel": ["flint", "steel"],
    "sushi pieces form triangle": ["sushi pieces", "triangle"],
    "toothbrush bristles touch teeth": ["toothbrush bristles", "teeth"],
    "blueberries orbiting orange": ["blueberries", "orange"],
    "orange at center of blueberries": ["orange", "blueberries"],
    "beak picks up twine": ["beak", "twine"],
    "handle held by hand": ["handle", "hand"],
    "water pours from kettle into cup": ["water", "kettle", "cup"],
    "hand grips the handle of the hammer": ["hand", "the handle", "the hammer"],
    "beaver's paw grips flint": ["beaver's paw", "flint"],
    "hammer hits nail head": ["hammer", "nail head"],
    "two beavers carry log": ["two beavers", "log"],
    "a cat left of a ball": ["a cat", "a ball"],
    "a penguin on the left": ["a penguin"],
    "a cat in the middle": ["a cat"],
    "trumpets all around": ["trumpets"],
    "hand - grips - handle": ["hand", "handle"],
    "(hand, grip, handle)": ["hand", "handle"],
    "hand -> grips -> handle": ["hand", "handle"],
    "hand, wrapped in cloth, holds cup": ["hand", "cloth", "cup"],
    "foot": ["foot"],
    "on the left": [],
    "...": [],
}
# What rules alone find; they know verbs by their endings.
BY_RULES = {
    "needle pierces cloth": ["needle", "cloth"],
    "hand gripping handle": ["hand", "handle"],
    "dough lies on table": ["dough", "table"],
    "a penguin on the left": ["a penguin"],
    "hand - grips - handle": ["hand", "handle"],
    "beaver's paw grips flint": ["beaver's paw", "flint"],
    "paw holds rolling pin": ["paw", "rolling pin"],
    "two beavers hold rolling pin": ["two beavers", "rolling pin"],
    "rolling pin presses dough": ["rolling pin", "dough"],
    "rolling dough": ["dough"],
    "hand grips knitting needle above cloth": ["hand", "knitting needle", "cloth"],
    "cat sits eating fish": ["cat", "fish"],
    "cat watches sleeping on table": ["cat", "table"],
    "hand touches ring": ["hand", "ring"],
    "orange blueberries": ["orange blueberries"],
}


@pytest.fixture(scope="module")
def parse():
    return spacy_model.load_parser(spacy_model.installed_model())


@pytest.mark.parametrize(("component", "entities"), ENTITIES.items(), ids=list(ENTITIES))
def test_the_things_in_a_component(parse, component, entities):
    assert entities_of(component, parse) == entities


@pytest.mark.parametrize(("component", "entities"), BY_RULES.items(), ids=list(BY_RULES))
def test_the_things_in_a_component_by_rules(component, entities):
    assert entities_of(component, None) == entities


def rows(components, **changes) -> list[dict]:
    decomposition = {"status": "ok", "reason": "", "components": components} | changes
    return list_parts([{"id": "a"}], {"a": decomposition}, resolve_parser("spacy"))


def test_each_part_is_there_once_interactions_first():
    components = ["paw holds rolling_pin", "The rolling pin presses a dough", "dough lies on Table"]
    components += ["Dough on the table"]
    (row,) = rows([*components, "paw holds rolling pin"])
    assert (row["status"], row["reason"]) == ("ok", "")
    assert [(part["kind"], part["text"]) for part in row["parts"]] == [
        ("interaction", "paw holds rolling pin"),
        ("interaction", "The rolling pin presses a dough"),
        ("interaction", "dough lies on Table"),
        ("interaction", "Dough on the table"),
        ("entity", "paw"),
        ("entity", "rolling pin"),
        ("entity", "a dough"),
        ("entity", "Table"),
    ]


@pytest.mark.parametrize(
    ("decompositions", "reason"),
    [
        ({}, "there is no decomposition"),
        ({"a": {"status": "refused", "reason": "declined"}}, "the decomposition is refused: declined"),
    ],
)
def test_a_prompt_without_a_decomposition_is_skipped(decompositions, reason):
    (row,) = list_parts([{"id": "a"}], decompositions, {"by": "rules"})
    assert row == {"id": "a", "status": "skipped", "reason": reason, "parts": []}


def test_a_text_too_long_for_the_parser_is_a_row():
    (row,) = rows(["paw " * 400_000])
    assert row["status"] == "failed" and "max" in row["reason"]


def test_only_a_study_with_a_judge_of_parts_has_parameters():
    without = configured_study(judges={name: None for name in configured_study().judges_asked("parts")})
    assert parameters(without) == {}
    assert parameters(configured_study(judges={"parts": JUDGE}))["parts"]["by"] == "spacy"
