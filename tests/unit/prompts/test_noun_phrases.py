"""Noun phrases by rules and by spaCy, and a user's own."""

import importlib.metadata
import importlib.util
import sys
from types import ModuleType

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.prompts import noun_phrases as module
from detailscribe.prompts.noun_phrase_rules import phrases_by_rules
from detailscribe.prompts.noun_phrases import find_noun_phrases, read_corrections, resolve_parser

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
        ("", []),
        ("🦊🦊", []),
    ],
)
def test_rules_find_the_noun_phrases_of_plain_sentences(prompt, phrases):
    assert phrases_by_rules(prompt) == phrases


def test_a_long_prompt_has_all_its_phrases():
    assert len(phrases_by_rules("a fox on a log by " * 100)) == 200


def test_rows_name_their_source_and_the_users_phrases_come_first():
    rows = find_noun_phrases(RECORDS, "rules", {"b": ["the cube", "the sphere"]})
    assert [(row["id"], row["status"], row["phrases"], row["source"]) for row in rows] == [
        ("a", "ok", ["A fox", "dough"], "rules"),
        ("b", "ok", ["the cube", "the sphere"], "user"),
    ]


@pytest.fixture
def spacy(monkeypatch):
    """The used part of spaCy's interface; its model is on no package index."""
    fake = ModuleType("spacy")

    class Chunk:
        def __init__(self, text):
            self.text = text

    class Doc:
        def __init__(self, prompt):
            self.noun_chunks = [Chunk(part) for part in prompt.rstrip(".").split(" of ")]

    fake.load = {"en_core_web_sm": Doc}.__getitem__
    monkeypatch.setitem(sys.modules, "spacy", fake)
    found, version = importlib.util.find_spec, importlib.metadata.version
    names = ("spacy", "en_core_web_sm")
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: name in names or found(name))
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "3.8" if name in names else version(name))


def test_spacy_is_used_if_installed_and_ignored_phrases_are_left_out(spacy):
    assert (
        resolve_parser("auto")
        == resolve_parser("spacy")
        == {"by": "spacy", "versions": {"spacy": "3.8", "en_core_web_sm": "3.8"}}
    )
    assert resolve_parser("rules") == {"by": "rules", "versions": {}}
    rows = find_noun_phrases([{"id": "a", "prompt": "the paw of top of the beaver."}], "spacy", {})
    assert (rows[0]["phrases"], rows[0]["source"]) == (["the paw", "the beaver"], "spacy")


def test_without_spacy_rules_are_used_and_requiring_spacy_is_refused(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert resolve_parser("auto") == {"by": "rules", "versions": {}}
    with pytest.raises(InputError, match="noun_phrases: by: spacy needs the packages"):
        resolve_parser("spacy")
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(SetupError, match="does not find spaCy"):
        find_noun_phrases(RECORDS, "spacy", {})
    assert find_noun_phrases(RECORDS, "spacy", {"a": ["x"], "b": ["y"]})[0]["source"] == "user"


@pytest.mark.parametrize(
    "line", ["no json", '{"id": "a"}', '{"id": 3, "phrases": []}', '{"id": "a", "phrases": [" "]}', "[]"]
)
def test_an_invalid_correction_is_reported_with_file_and_line(tmp_path, line):
    path = tmp_path / "small.jsonl"
    assert read_corrections(path) == {}
    path.write_text('{"id": "a", "phrases": ["a fox"], "source": "rules"}\n\n')
    assert read_corrections(path) == {"a": ["a fox"]}
    path.write_text(f'{{"id": "a", "phrases": []}}\n{line}\n')
    with pytest.raises(InputError, match=r"small\.jsonl, line 2: needs"):
        read_corrections(path)
