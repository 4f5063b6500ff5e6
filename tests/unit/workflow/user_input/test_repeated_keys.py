"""Keys that a configuration file has twice: which are refused, and by which sentence."""

import json

import pytest
from snakemake.exceptions import WorkflowError

from detailscribe.workflow.user_input.repeated_keys import MOST, refuse_repeated_keys, repeated_keys
from tests.paths import REPOSITORY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\n", []),
        ("refiners:\n  r: {refiner: sdedit}\n  r: {refiner: editor}\n", ["refiners: r is there twice (lines 2 and 3)"]),
        ("study: [demo]\n\nstudy: [other]\n", ["study is there twice (lines 1 and 3)"]),
        ("a: {b: 1, b: 2}\n", ["a: b is there twice (line 1)"]),
        ("a: [{b: 1}, {b: 1, b: 2}]\n", ["a: 1: b is there twice (line 1)"]),
        ("a: 1\n'a': 2\n", ["a is there twice (lines 1 and 2)"]),
        ("1: a\n'1': b\n", []),  # a number and a text
        ("x: &x {a: 1}\ny: {<<: *x, a: 2}\nz: {<<: *x, <<: *x}\n", []),  # a merge key takes over, an own key replaces
        ("x: &x {a: 1, a: 2}\ny: *x\n", ["x: a is there twice (line 1)"]),
        ("a: [1, 1]\n", []),
        ("", []),
        ("a: [1", []),  # no YAML: a fault of its own
        (json.dumps({"a": 1})[:-1] + ', "a": 2}', ["a is there twice (line 1)"]),
        ("".join(f"k{n}: 1\nk{n}: 2\n" for n in range(MOST + 5)), [f"k{n} is there twice" for n in range(MOST)]),
    ],
)
def test_a_key_that_is_there_twice_is_named_with_file_and_lines(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(text)
    found = repeated_keys([tmp_path / "my.yaml", "no-such-file.yaml"])
    assert len(found) == len(said)
    assert all(one.startswith(f"my.yaml: {each}") for one, each in zip(found, said, strict=True))


def test_a_run_is_refused_with_one_sentence_for_each(tmp_path):
    (tmp_path / "my.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(WorkflowError, match=r"my\.yaml: a is there twice \(lines 1 and 2\), and the last would count"):
        refuse_repeated_keys([tmp_path / "my.yaml"])


def test_the_shipped_files_have_every_key_once():
    assert repeated_keys((REPOSITORY / "config").glob("*.yaml")) == []
