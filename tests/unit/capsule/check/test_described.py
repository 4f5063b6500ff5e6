import json

import pytest

from detailscribe.capsule.check.described import contents_problems, crate_problems, read_config, read_contents
from detailscribe.capsule.check.said import own_facts
from detailscribe.capsule.layout import CONFIG, CONTENTS, CRATE
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError
from tests.unit.capsule.check.resealed import reseal

TABLE = "study/results/mine/tables/main.csv"
FOLDER = "study/results/mine/"


@pytest.fixture(scope="module")
def crate(capsule) -> tuple[dict, dict, dict]:
    """The metadata, the files of `capsule.json`, and its own facts."""
    with CapsuleReader(capsule) as reader:
        contents = reader.read(CONTENTS)
        return json.loads(reader.read(CRATE)), json.loads(contents)["files"], own_facts(contents)


def problems(crate, change) -> list[str]:
    metadata, files, own = json.loads(json.dumps(crate[0])), dict(crate[1]), crate[2]
    change(metadata["@graph"], files)
    return crate_problems(json.dumps(metadata).encode(), files, own)


def entity(graph: list[dict], id: str) -> dict:
    return next(each for each in graph if each["@id"] == id)


CHANGES = {
    "size": (lambda graph, files: entity(graph, TABLE).update(contentSize="1"), f"the contentSize of {TABLE}"),
    "digest": (lambda graph, files: entity(graph, TABLE).update(sha256="0" * 64), f"the sha256 of {TABLE}"),
    "digest of the contents": (
        lambda graph, files: entity(graph, CONTENTS).update(sha256="0"),
        f"sha256 of {CONTENTS}",
    ),
    "folder": (lambda graph, files: entity(graph, FOLDER).update(contentSize="1"), f"{FOLDER} has "),
    "a file of its own": (lambda graph, files: files.pop(TABLE), f"describes {TABLE}, which is not in the capsule"),
    "a file that nothing describes": (
        lambda graph, files: files.update({"study/other/x.csv": {"sha256": "0", "bytes": 1}}),
        "describes neither study/other/x.csv",
    ),
    "a part": (
        lambda graph, files: entity(graph, "./")["hasPart"].append({"@id": "study/none/"}),
        "lists study/none/, which it does not describe",
    ),
    "no root": (lambda graph, files: graph.remove(entity(graph, "./")), "is no metadata of a crate"),
    "profile": (lambda graph, files: entity(graph, "./").update(conformsTo=[]), "profile of Workflow Run Crates"),
}


def test_the_metadata_of_a_capsule_fit_its_members(crate):
    assert problems(crate, lambda graph, files: None) == []


@pytest.mark.parametrize("case", CHANGES)
def test_each_contradiction_is_named(case, crate):
    change, words = CHANGES[case]
    said = problems(crate, change)
    assert said and words in said[0], said


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"null", b'{"@graph": [1]}', b'{"@graph": {"a": 1}}', b"\xff"])
def test_what_is_no_metadata_is_one_problem(data):
    assert len(crate_problems(data, {}, {})) == 1


def test_members_and_contents_name_each_other(capsule, crate):
    files = dict(crate[1])
    with CapsuleReader(capsule) as reader:
        assert contents_problems(files, reader) == []
        entry = files.pop(TABLE)
        files["study/none.csv"] = files[CRATE] = {"sha256": "0", "bytes": 5}
        said = contents_problems(files, reader)
    assert len(said) == 3 and TABLE in said[0] and "study/none.csv" in said[1] and f"{CRATE} has " in said[2]
    assert entry["bytes"]


@pytest.mark.parametrize("data", [b"[]", b"a: [", b"\xff\xfe", b"- &a [*a]"], ids=["list", "cut", "bytes", "loop"])
def test_settings_that_are_none_are_refused(data, capsule, tmp_path):
    path = reseal(capsule, tmp_path / "edited.zip", {CONFIG: data})
    with CapsuleReader(path) as reader, pytest.raises(InputError, match=CONFIG):
        read_config(reader)


def test_contents_nested_without_end_are_refused():
    with pytest.raises(InputError, match="cannot be read"):
        read_contents("a.zip", b'{"files": ' + b"[" * 100_000)
