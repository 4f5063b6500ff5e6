"""Noun phrases by rules and by spaCy, and a user's own."""

import importlib.metadata

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.prompts import spacy_model
from detailscribe.prompts.noun_phrase_rules import phrases_by_rules
from detailscribe.prompts.noun_phrases import find_noun_phrases, read_corrections, resolve_parser, warnings
from tests.unit.study.configured import configured_study

RECORDS = [{"id": "a", "prompt": "A fox kneads dough."}, {"id": "b", "prompt": "A red cube on top of a blue sphere."}]


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("A fox and a parrot on a narrow branch.", ["A fox", "a parrot", "a narrow branch"]),
        ("A fox kneads dough with both paws", ["A fox", "dough", "both paws"]),
        ("Two otters carry a log together, one at each end.", ["Two otters", "a log", "each end"]),
        ("The paws of the beaver hold the hammer.", ["The paws", "the beaver", "the hammer"]),
        ("a beaver rolling dough with a rolling pin", ["a beaver", "dough", "a rolling pin"]),
        ("A chair covered in weathered leather", ["A chair", "weathered leather"]),
        ("a red cube on top of a blue sphere to the left of the box", ["a red cube", "a blue sphere", "the box"]),
        ("A heron's wing rests on the otter's shoulder", ["A heron's wing", "the otter's shoulder"]),
        ("a tug-of-war between Zwölf Hasen & 3 foxes 🦊", ["a tug-of-war", "Zwölf Hasen", "3 foxes"]),
        ("running quickly", []),
        ("A seed bed of seaweed next to a red shed", ["A seed bed", "seaweed", "a red shed"]),
        ("a climbed wall, polished, washed and ready", ["a climbed wall"]),
        ("An otter holds it and they hug each other", ["An otter", "it", "they"]),
        ("", []),
        ("🦊🦊", []),
    ],
)
def test_rules_find_the_noun_phrases_of_plain_sentences(prompt, phrases):
    assert phrases_by_rules(prompt) == phrases


def test_a_long_prompt_has_all_its_phrases():
    assert len(phrases_by_rules("a fox on a log by " * 100)) == 200


def test_rows_name_their_source_and_the_users_phrases_come_first():
    rows = find_noun_phrases(RECORDS, resolve_parser("rules"), {"b": ["the cube", "the sphere"]})
    assert [(row["id"], row["status"], row["phrases"], row["source"]) for row in rows] == [
        ("a", "ok", ["A fox", "dough"], "rules"),
        ("b", "ok", ["the cube", "the sphere"], "user"),
    ]


def test_spacy_finds_the_phrases_and_leaves_out_the_ignored_ones():
    rows = find_noun_phrases(
        [*RECORDS, {"id": "c", "prompt": "It is on the left of top."}], resolve_parser("spacy"), {}
    )
    assert [(row["phrases"], row["source"]) for row in rows] == [
        (["A fox kneads"], "spacy"),
        (["A red cube", "a blue sphere"], "spacy"),
        (["It"], "spacy"),
    ]


@pytest.mark.parametrize("by", ["spacy", "auto"])
def test_the_default_model_is_known_and_no_warning_is_given(by):
    version = importlib.metadata.version("spacy")
    assert resolve_parser(by) == {
        "by": "spacy",
        "versions": {"spacy": version},
        "model": "en_core_web_sm 3.8.0",
        "parts": spacy_model.KNOWN_PARTS,
    }
    assert warnings(configured_study(noun_phrases={"by": by})) == []
    assert resolve_parser("rules") == {"by": "rules", "versions": {}}


@pytest.mark.parametrize(
    ("absent", "message"), [("spacy_version", "spaCy is not installed"), ("installed_model", "has no English model")]
)
def test_without_spacy_or_its_model_the_default_is_refused_and_auto_warns(monkeypatch, absent, message):
    planned = resolve_parser("spacy")
    monkeypatch.setattr(spacy_model, absent, lambda: "" if absent == "spacy_version" else None)
    with pytest.raises(InputError, match=rf"^noun_phrases: by: spacy: .*{message}.*`pip install spacy==") as error:
        resolve_parser("spacy")
    assert "\n" not in str(error.value)
    assert resolve_parser("auto") == {"by": "rules", "versions": {}}
    [warning] = warnings(configured_study(noun_phrases={"by": "auto"}))
    assert "auto takes rules" in warning and spacy_model.INSTALL in warning
    assert warnings(configured_study(noun_phrases={"by": "rules"})) == []
    assert warnings(configured_study(noun_phrases={"by": "auto"}, metrics={"blip_vqa": None})) == []
    with pytest.raises(SetupError, match=r"this job does not find spaCy \S+ with en_core_web_sm 3\.8\.0"):
        find_noun_phrases(RECORDS, planned, {})
    assert find_noun_phrases(RECORDS, planned, {"a": ["x"], "b": ["y"]})[0]["source"] == "user"


def test_a_job_that_finds_another_spacy_or_model_than_planned_stops():
    planned = resolve_parser("spacy")
    for other in ({"versions": {"spacy": "3.7.0"}}, {"parts": "0" * 64, "model": "en_core_web_sm 3.7.1, own parts"}):
        with pytest.raises(SetupError, match="but the study was planned with"):
            find_noun_phrases(RECORDS, planned | other, {})


def test_a_text_that_spacy_refuses_is_a_failed_row(monkeypatch):
    monkeypatch.setattr(spacy_model, "load_parser", lambda model: lambda text: int("x") if "fox" in text else [text])
    rows = find_noun_phrases(RECORDS, resolve_parser("spacy"), {})
    assert [(row["status"], row["phrases"]) for row in rows] == [("failed", []), ("ok", [RECORDS[1]["prompt"]])]
    assert rows[0]["reason"].startswith("invalid literal") and rows[1]["reason"] == ""


@pytest.mark.parametrize(
    "line", ["no json", '{"id": "a"}', '{"id": 3, "phrases": []}', '{"id": "a", "phrases": [" "]}', "[]"]
)
def test_an_invalid_correction_is_reported_with_file_and_line(tmp_path, line):
    path = tmp_path / "small.jsonl"
    assert read_corrections(path) == {}
    path.write_text('{"id": "a", "phrases": ["a fox"], "source": "rules"}\n\n')
    assert read_corrections(path) == {"a": ["a fox"]}
    path.write_text(f'{{"id": "a", "phrases": []}}\n{line}\n')
    with pytest.raises(InputError, match=r"small\.jsonl, line 2: \w"):
        read_corrections(path)
