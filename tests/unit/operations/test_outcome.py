"""The line at the end of a job that asked a model: silent if all is well, counts and reasons otherwise."""

import pytest

from detailscribe.files.rows import write_rows
from detailscribe.operations.outcome import REASON_LENGTH, images_line, outcome_line


def rows(**counts):
    made = [(status, number) for status, count in counts.items() for number in range(count)]
    reasons = {"ok": "", "failed": "the reply is empty", "unparsed": "no <...> in the reply", "skipped": "no image"}
    return [{"id": f"{s}-{n}", "status": s, "reason": reasons.get(s, "the model declined: no")} for s, n in made]


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({"ok": 3}, ""),
        ({}, ""),
        ({"ok": 3, "skipped": 2}, ""),
        ({"skipped": 2}, ""),
        (
            {"ok": 3, "failed": 2, "refused": 1, "unparsed": 1, "skipped": 4},
            "7 rows asked: 3 ok, 2 failed, 1 refused, 1 unparsed; the reasons are in {path} "
            "(most often, 2 times: the reply is empty)",
        ),
        (
            {"unparsed": 12},
            "not one of 12 rows asked is usable: 12 unparsed; the reasons are in {path} "
            "(most often, 12 times: no <...> in the reply)",
        ),
        (
            {"ok": 1, "refused": 1},
            "2 rows asked: 1 ok, 1 refused; the reasons are in {path} (one of them: the model declined: no)",
        ),
    ],
)
def test_rows_are_counted_and_their_place_is_named(tmp_path, counts, line):
    path = tmp_path / "000-of-001.jsonl"
    write_rows(path, rows(**counts))
    assert outcome_line([path]) == line.format(path=path)


def test_rejected_topics_are_rows_without_an_answer(tmp_path):
    prompts, rejected = tmp_path / "mine.jsonl", tmp_path / "mine.rejected.tsv"
    write_rows(prompts, [{"topic": "a", "prompt": "b"}])
    rejected.write_text("topic\tprompt\treason\n")
    assert outcome_line([prompts, rejected, tmp_path / "mine.exchanges.txt"]) == ""
    rejected.write_text("topic\tprompt\treason\ncut bread\tx\tunparsed: no <...> in the reply\n")
    line = outcome_line([prompts, rejected])
    assert line.startswith(f"2 rows asked: 1 ok, 1 rejected; the reasons are in {rejected} (one of them: unparsed:")


def test_a_long_reason_is_shortened(tmp_path):
    write_rows(tmp_path / "a.jsonl", [{"id": "a", "status": "failed", "reason": "x" * 5000}])
    assert len(outcome_line([tmp_path / "a.jsonl"])) < REASON_LENGTH + 300


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        ({"mine": {"ok": 2, "skipped": 3}}, ""),
        ({"mine": {"skipped": 3}}, ""),
        ({"mine": {}}, ""),
        ({"mine": {"failed": 8}}, "mine: 8 of 8 failed; the reasons are in {mine} (the first: the reply is empty)"),
        (
            {"other": {"ok": 2}, "mine": {"ok": 5, "failed": 2, "refused": 1, "skipped": 4}},
            "mine: 2 of 8 failed, 1 of 8 refused; the reasons are in {mine} (the first: the reply is empty)",
        ),
        (
            {"a": {"refused": 1}, "b": {"refused": 1}, "c": {"refused": 1}, "d": {"refused": 1}},
            "a: 1 of 1 refused; b: 1 of 1 refused; c: 1 of 1 refused; d: 1 of 1 refused; the reasons are in {a} and "
            "{b} and {c} and others (the first: the model declined: no)",
        ),
    ],
)
def test_image_sets_that_lack_images_are_named_with_the_first_reason(tmp_path, sets, line):
    paths = {name: tmp_path / name / "000-of-001.jsonl" for name in sets}
    for name, counts in sets.items():
        paths[name].parent.mkdir()
        write_rows(paths[name], rows(**counts))
    assert images_line(paths.values()) == line.format(**paths)
