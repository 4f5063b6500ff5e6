"""Complete cases: the dictionary of complete prompts, and a dropped row for everything else."""

import pytest

from detailscribe.tables.complete_cases import clean_dictionary, dropped_tsv, missing_lines

RECORDS = {id: {"id": id, "topic": f"topic {id}", "prompt": f"prompt {id}"} for id in ("a", "b")}


def test_the_dictionary_holds_complete_prompts_and_everything_else_is_a_dropped_row():
    good = {"status": "ok", "reason": ""}
    images = {
        "o1": {"a": {"id": "a", **good, "file": "a1"}, "b": {"id": "b", **good, "file": "b1"}},
        "k0": {
            "a": {"id": "a", **good, "file": "a2"},
            "b": {"id": "b", "status": "skipped", "reason": "critique refused", "file": None},
        },
    }
    critiques = [{"id": "a", **good}, {"id": "b", "status": "refused", "reason": "I\tcannot\n"}]
    scores = [{"id": "a", "image_set": "k0", "status": "unparsed", "reason": "no number", "score": None}]
    stages = [
        ("score", "judge-main", scores),
        ("refine", "k0", list(images["k0"].values())),
        ("generate", "o1", list(images["o1"].values())),
        ("critique", "detailscribe", critiques),
    ]
    selected = {"multi_seed": {"a": {"id": "a", **good, "image_set": "o1"}}}
    dictionary, dropped = clean_dictionary(list(RECORDS.values()), stages, images, selected)
    assert dictionary == [{**RECORDS["a"], "images": {"o1": "a1", "k0": "a2", "multi_seed": "a1"}}]
    assert [(row["id"], row["stage"], row["image_set"], row["status"]) for row in dropped] == [
        ("a", "score", "k0", "unparsed"),
        ("b", "critique", "detailscribe", "refused"),
        ("b", "refine", "k0", "skipped"),
    ]
    lines = dropped_tsv(dropped).splitlines()
    assert [len(line.split("\t")) for line in lines] == [6] * 4
    assert "judge-main: no number" in lines[1] and "I cannot" in lines[2]


OK, FAILED, SKIPPED = ({"status": status, "reason": ""} for status in ("ok", "failed", "skipped"))
WAY_OUT = "; remove the entry or correct it; dropped.tsv has the reasons"


@pytest.mark.parametrize(
    ("sets", "selected", "complete", "line"),
    [
        ({"a": [OK, OK]}, {}, 2, ""),
        ({"a": [OK, FAILED]}, {"s": [OK, FAILED]}, 1, ""),
        ({}, {}, 0, ""),
        ({"a": [OK, OK], "two": [FAILED, FAILED]}, {}, 0, "two failed for 2 of 2"),
        ({"two": [FAILED, FAILED], "later": [SKIPPED, SKIPPED]}, {}, 0, "two failed for 2 of 2"),
        ({"later": [SKIPPED, SKIPPED]}, {}, 0, "later skipped for 2 of 2"),
        ({"a": [FAILED, OK], "b": [OK, FAILED]}, {}, 0, "a failed for 1 of 2; b failed for 1 of 2"),
        ({"a": [FAILED, OK], "b": [FAILED, FAILED]}, {}, 0, "b failed for 2 of 2"),
        (
            {f"a{number}": [FAILED, FAILED] for number in range(7)},
            {},
            0,
            "; ".join(f"a{number} failed for 2 of 2" for number in range(5)) + " and 2 more",
        ),
    ],
)
def test_a_scenario_without_a_complete_prompt_names_the_image_sets_to_blame(sets, selected, complete, line):
    by_id = [{name: dict(enumerate(rows)) for name, rows in each.items()} for each in (sets, selected)]
    lines = missing_lines("demo", 2 if sets else 0, *by_id, complete, "dropped.tsv")
    assert lines == ([f"no prompt of demo is complete: {line}{WAY_OUT}"] if line else [])


def test_a_selection_without_any_image_is_named():
    rows = dict(enumerate([SKIPPED, FAILED]))
    line = "s: nothing chosen for any prompt; dropped.tsv has the reasons"
    assert missing_lines("demo", 2, {"a": {0: OK, 1: OK}}, {"s": rows}, 2, "dropped.tsv") == [line]
