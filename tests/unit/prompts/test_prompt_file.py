"""Prompt files: ids, validation, strata and shards."""

import json

import pytest

from detailscribe.errors import InputError
from detailscribe.prompts.prompt_file import prompt_id, read_prompts, split_into_shards
from detailscribe.study.shards import shard_names, shard_of


def write(path, records, encoding="utf-8"):
    path.write_bytes("\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode(encoding))
    return path


def test_ids_are_safe_readable_and_derived_from_the_content():
    assert prompt_id("baker’s dozen", "x").startswith("bakers-dozen-")
    assert prompt_id("../../etc/passwd", "x").startswith("etc-passwd-")
    assert prompt_id("狐", "x").startswith("prompt-")
    assert prompt_id("a", "x") != prompt_id("a", "y")
    assert len(prompt_id("long " * 50, "x")) < 60


def test_the_order_of_lines_has_no_effect(tmp_path):
    records = [{"topic": f"t{number}", "prompt": f"p{number}"} for number in range(9)]
    one = read_prompts(write(tmp_path / "a.jsonl", records))
    assert one == read_prompts(write(tmp_path / "b.jsonl", records[::-1]))


def test_two_records_with_one_topic_get_two_ids(tmp_path):
    records = [{"topic": "one", "prompt": "a"}, {"topic": "one", "prompt": "b"}]
    assert len({record.id for record in read_prompts(write(tmp_path / "a.jsonl", records))}) == 2


def test_byte_order_mark_blank_lines_and_other_keys_are_accepted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"topic": "a", "prompt": "b", "more": 1}\r\n\r\n')
    assert [record.prompt for record in read_prompts(path)] == ["b"]


def test_a_line_ends_at_line_ends_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    texts = ["one\u2028line", "another\x85one", "\u2029third"]
    lines = [json.dumps({"topic": "a", "prompt": text}, ensure_ascii=False) for text in texts]
    for end, encoding in (("\n", "utf-8"), ("\r\n", "utf-8-sig"), ("\r", "utf-8"), ("\n", "utf-16")):
        path.write_bytes(end.join(lines).encode(encoding))
        assert {record.prompt for record in read_prompts(path)} == set(texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[1]", "line 1: needs a JSON object"),
        (b'{"topic": "a", "prompt": 3}', "line 1: prompt must be a non-empty string"),
        (b'{"topic": "", "prompt": "b"}', "line 1: topic must be a non-empty string"),
        (b'{"topic": "a", "prompt": "\\ud800"}', "line 1: half a surrogate pair"),
        (b'{"topic": "a", "prompt": "b", "prompt": "c"}', "line 1: the key 'prompt' stands there twice"),
        (b'{"topic": "a", "prompt": "b", "n": ' + b"9" * 5000 + b"}", "line 1: a number of more than 400 digits"),
        (b'{"topic": "a", "prompt": "b"}\n' + b"[" * 100_000, "line 2: nested deeper than 100 levels"),
        (b'{"topic": "a", "prompt": "caf\xe9"}', "line 1: not UTF-8 .byte 0xe9 at column 30.; save the file as UTF-8"),
        ('{"topic": "a", "prompt": "b"}'.encode("utf-16-le"), "line 1: holds a NUL character"),
        (b"\n\n", "no prompt; write one JSON object per line"),
        (
            b'{"topic":"a b","prompt":"p"}\n{"topic":"a-b","prompt":"p"}',
            "line 2: the same prompt as line 1 under a topic",
        ),
    ],
)
def test_bad_lines_are_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(text)
    with pytest.raises(InputError, match=message) as caught:
        read_prompts(path)
    assert "bad.jsonl" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"topic": "a"}], ["line 1: key 'prompt' is missing; found only 'topic'"]),
        ([{"topc": "a", "prompt": "b"}], ["line 1: 'topc' is no key here; did you mean topic?"]),
        ([{"topic": "a", "Prompt": "b"}], ["line 1: 'Prompt' is no key here; did you mean prompt?"]),
        ([{"topic": "a", "prompt": "b", "strata": "c"}], ["line 1: 'strata' is no key here; did you mean stratum?"]),
        ([{"topic": "a"}, {"topic": "b", "prompt": "c"}, {"prompt": 1}], ["line 1: key", "line 3: key 'topic'"]),
        ([{"topic": f"t{n}"} for n in range(12)], ["line 1: ", "line 10: ", "; and 2 more lines"]),
    ],
)
def test_every_bad_line_and_misspelt_key_is_named(tmp_path, rows, said):
    with pytest.raises(InputError) as caught:
        read_prompts(write(tmp_path / "bad.jsonl", rows))
    assert all(words in str(caught.value) for words in said)


def test_other_keys_are_passed_over(tmp_path):
    rows = [{"topic": "a", "prompt": "b", "status": "done", "prompts": 3, "topics": [], "stra": 1}]
    assert [record.prompt for record in read_prompts(write(tmp_path / "more.jsonl", rows))] == ["b"]


def test_a_new_record_touches_one_shard(tmp_path):
    records = [{"topic": f"t{number}", "prompt": f"p{number}"} for number in range(40)]
    before = split_into_shards(read_prompts(write(tmp_path / "a.jsonl", records[:-1])), 4)
    after = split_into_shards(read_prompts(write(tmp_path / "b.jsonl", records)), 4)
    assert sum(before[name] != after[name] for name in before) == 1
    assert all(5 <= len(rows) <= 15 for rows in after.values())


def test_layouts_share_no_file_name():
    assert not set(shard_names(4)) & set(shard_names(8))
    assert shard_of("a", 1) == "000-of-001"


def test_a_stratum_is_kept_with_the_prompt_and_left_out_of_the_shards(tmp_path):
    records = [{"topic": "one", "prompt": "a", "stratum": "tools"}, {"topic": "two", "prompt": "b"}]
    one, two = sorted(read_prompts(write(tmp_path / "a.jsonl", records)), key=lambda record: record.topic)
    assert (one.stratum, two.stratum) == ("tools", "")
    assert one.row() == {"id": one.id, "topic": "one", "prompt": "a", "stratum": "tools"}
    assert "stratum" not in two.row()
    plain = read_prompts(write(tmp_path / "b.jsonl", [{"topic": "one", "prompt": "a"}, records[1]]))
    assert split_into_shards([one, two], 1) == split_into_shards(plain, 1) or split_into_shards(
        [two, one], 1
    ) == split_into_shards(plain, 1)
    with pytest.raises(InputError, match="stratum must be a non-empty string"):
        read_prompts(write(tmp_path / "c.jsonl", [{"topic": "one", "prompt": "a", "stratum": 3}]))
