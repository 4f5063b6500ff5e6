"""Complete cases: the dictionary of complete prompts, and a dropped row for everything else."""

from detailscribe.tables.complete_cases import clean_dictionary, dropped_tsv

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
