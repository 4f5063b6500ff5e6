"""Grades from a judge: no score without a readable reply, unless the config requests one."""

import pytest

from detailscribe.llm.client import Chat
from detailscribe.methods.reply_parsing import judge_response_format
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.scores.judges.marks import judge_images
from tests.chat_replies import role, template
from tests.chat_server import ChatServer

RECORDS = [
    {"id": "knot-1", "topic": "tie-knot_2", "prompt": "A lynx ties a knot."},
    {"id": "dough-2", "topic": "roll dough", "prompt": "A beaver rolls dough."},
]
KEYS = ["id", "image_set", "score", "status", "reason", "draws", "exchange", "fingerprint"]
JUDGE = {"scenario_templates": {}, "scale": "grade", "structured": False}


@pytest.fixture
def images(tmp_path):
    found = {}
    for record in RECORDS:
        path = tmp_path / f"{record['id']}.png"
        path.write_bytes(placeholder_png(record["prompt"]))
        found[record["id"]] = {"status": "ok", "reason": "", "path": path, "sha256": "unused"}
    return found


def run(server, store, image_sets, on_done=None, scenario="", template="judge_rubric", **changes):
    chat = Chat({"server": server.endpoint(in_flight=1)}, store / "exchanges", "live")
    how = JUDGE | {"draws": 1, "missing_score": None, "topic_cut": False} | changes
    return judge_images(RECORDS, image_sets, role(template) | how, chat, on_done, scenario, store / "fingerprints")


def test_each_image_of_each_set_gets_a_row(tmp_path, images):
    other = {"knot-1": images["dough-2"] | {"status": "failed", "reason": "no memory"}}
    done = []
    with ChatServer() as server:
        rows = run(server, tmp_path, {"original-1": images, "hosted": other}, lambda: done.append(1))
    assert [(row["id"], row["image_set"]) for row in rows] == [
        ("knot-1", "original-1"),
        ("dough-2", "original-1"),
        ("knot-1", "hosted"),
        ("dough-2", "hosted"),
    ]
    assert all(list(row) == KEYS for row in rows)
    assert [row["status"] for row in rows] == ["ok", "ok", "skipped", "skipped"]
    assert all(1 <= row["score"] <= 5 and row["reason"] == "" for row in rows[:2])
    assert [row["reason"] for row in rows[2:]] == ["the image is failed: no memory", "there is no image"]
    assert rows[2]["score"] is rows[3]["score"] is None
    assert len(done) == 4


def test_same_image_in_two_sets_is_one_request(tmp_path, images):
    with ChatServer() as server:
        rows = run(server, tmp_path, {"a": images, "b": images})
        assert len(server.calls) == 2
    assert [row["score"] for row in rows[:2]] == [row["score"] for row in rows[2:]]


def test_score_is_the_mean_of_the_readable_repeats(tmp_path, images):
    replies = iter(["<5>", "no grade", "<2>"] * 2)
    with ChatServer(answer=lambda body: next(replies)) as server:
        rows = run(server, tmp_path, {"a": images}, draws=3)
        assert len(server.calls) == 6
    for row in rows:
        assert sorted(row["draws"], key=str) == [2.0, 5.0, None]
        assert (row["score"], row["status"], row["reason"]) == (3.5, "ok", "")
        assert len({*row["exchange"]}) == 3


@pytest.mark.parametrize(
    ("reply", "status"),
    [("A fine picture.", "unparsed"), ("<7>", "unparsed"), ("I'm sorry, but I can't help with that.", "refused")],
)
def test_no_readable_score_is_no_score(tmp_path, images, reply, status):
    with ChatServer(answer=lambda body: reply) as server:
        rows = run(server, tmp_path, {"a": images}, draws=2)
    for row in rows:
        assert (row["score"], row["status"], row["draws"]) == (None, status, [None, None])
        assert row["reason"]


def test_missing_score_of_the_released_code_is_stated(tmp_path, images):
    with ChatServer(answer=lambda body: "A fine picture.") as server:
        rows = run(server, tmp_path, {"a": images}, missing_score=2)
    assert {(row["score"], row["status"]) for row in rows} == {(2.0, "ok")}
    assert all(row["reason"].endswith("counted as 2 (`missing_score`)") for row in rows)


def test_failed_call_gets_no_missing_score(tmp_path, images):
    with ChatServer(fault=lambda *_: "garbage") as server:
        rows = run(server, tmp_path, {"a": images}, missing_score=2)
    assert {(row["score"], row["status"]) for row in rows} == {(None, "failed")}


# How the released code reads a reply: the first <...> on one line, if it holds digits alone; 2 otherwise.
@pytest.mark.parametrize(
    ("reply", "released", "strict"),
    [
        ("<4>", 4, 4),
        ("<1> would be harsh: <5>", 1, 5),
        ("<4> at first, then <2>", 4, 2),
        ("<think><2>?</think><4>", None, 4),
        ("Maybe <2>? No.</think><4>", 2, 4),
        ("<3.5>", None, 3.5),
        ("<4/5>", None, 4),
        ("<score: 4>", None, 4),
        ("< 4 >", None, 4),
        ("<\n4\n>", None, 4),
        ("<score>4</score>", None, 4),
        ("<4><|im_end|>", 4, 4),
        ("<|im_start|>assistant\n<4>", None, 4),
        ('{"score": 4}', None, 4),
        ("x < y, so <4>", None, 4),
        ("paw -> pin: <4>", 4, 4),
        ("<0>", 0, None),
        ("<7>", 7, None),
        ("<10>", 10, None),
        ("<-3>", None, None),
        ("<²>", None, None),
        ("<four>", None, None),
        ("The score is 4.", None, None),
        ("I'm sorry, but I can't help with that.", None, None),
    ],
)
def test_replies_are_read_as_released_on_request(tmp_path, images, reply, released, strict):
    for parsing, expected in (({"parsing": "released"}, 2 if released is None else released), ({}, strict or 2)):
        with ChatServer(answer=lambda body: reply) as server:
            rows = run(server, tmp_path / str(len(parsing)), {"a": images}, missing_score=2, **parsing)
        assert {row["score"] for row in rows} == {expected}, parsing
        assert all(row.get("parsing") == parsing.get("parsing") for row in rows)
        recipe = (tmp_path / str(len(parsing)) / "fingerprints" / f"{rows[0]['fingerprint']}.json").read_text()
        assert ('"parsing": "released"' in recipe) == bool(parsing)


def test_a_score_that_cannot_be_read_as_released_is_quoted(tmp_path, images):
    with ChatServer(answer=lambda body: "Fine. <4/5>") as server:
        rows = run(server, tmp_path, {"a": images}, parsing="released")
    assert {(row["status"], row["reason"]) for row in rows} == {
        ("unparsed", "no digits alone in the first <...> of the reply: Fine. <4/5>")
    }


@pytest.mark.parametrize(("reply", "score"), [("<yes>", 1), ("Yesterday", 0), ("no eyes", 1), ("<no>", 0)])
def test_yes_is_read_as_released_anywhere(tmp_path, images, reply, score):
    with ChatServer(answer=lambda body: reply) as server:
        rows = run(server, tmp_path, {"a": images}, parsing="released", scale="yes_no", template="judge_yes_no")
    assert {row["score"] for row in rows} == {score}


def test_a_cut_reply_has_no_score_and_counts_as_missing(tmp_path, images):
    body = {"choices": [{"message": {"content": "It could be <4>, but"}, "finish_reason": "length"}]}
    for missing, expected in ((None, ("failed", None)), (2, ("ok", 2.0))):
        with ChatServer(fault=lambda *_: body) as server:
            rows = run(server, tmp_path / str(missing), {"a": images}, missing_score=missing)
        assert {(row["status"], row["score"]) for row in rows} == {expected}
        assert all(row["reason"].startswith("cut off at its token limit; raise max_tokens") for row in rows)


@pytest.mark.parametrize(("cut", "focus"), [(False, "Focus on tie-knot_2."), (True, "Focus on tie-knot.")])
def test_topic_is_cut_only_on_request(tmp_path, images, cut, focus):
    with ChatServer() as server:
        run(server, tmp_path, {"a": {"knot-1": images["knot-1"]}}, topic_cut=cut)
        [call] = server.calls
    assert focus in call["body"]["messages"][-1]["content"][0]["text"]


def test_yes_and_no_are_one_and_zero(tmp_path, images):
    replies = iter(["It does. <yes>", "<No.>", "<maybe>"] * 2)
    with ChatServer(answer=lambda body: next(replies)) as server:
        rows = run(server, tmp_path, {"a": images}, draws=3, scale="yes_no", template="judge_yes_no")
    for row in rows:
        assert sorted(row["draws"], key=str) == [0.0, 1.0, None]
        assert (row["score"], row["status"]) == (0.5, "ok")


@pytest.mark.parametrize(
    ("scale", "reply", "score"),
    [
        ("grade", '{"reason": "a {brace} in it", "score": 4}', 4.0),
        ("grade", '{"reason": "no", "score": 7}', None),
        ("yes_no", '{"reason": "both are there", "score": "yes"}', 1.0),
        ("yes_no", "both are there", None),
    ],
)
def test_structured_replies_are_requested_and_parsed(tmp_path, images, scale, reply, score):
    options = judge_response_format(scale)
    with ChatServer(answer=lambda body: reply) as server:
        rows = run(server, tmp_path, {"a": images}, scale=scale, structured=True, options=options)
        sent = server.calls[0]["body"]
    assert sent["response_format"] == options["response_format"]
    assert set(sent["response_format"]["json_schema"]["schema"]["required"]) == {"reason", "score"}
    assert "angle brackets" not in sent["messages"][-1]["content"][0]["text"]
    assert {row["score"] for row in rows} == {score}
    assert {row["status"] for row in rows} == {"unparsed" if score is None else "ok"}


def test_a_scenario_may_have_its_own_template(tmp_path, images):
    own = {"layouts": template("judge_spatial")}
    for scenario, words in (("layouts", "lie in space"), ("other", "Compare the picture with the prompt")):
        with ChatServer(answer=lambda body: "<3>") as server:
            rows = run(server, tmp_path / scenario, {"a": images}, scenario=scenario, scenario_templates=own)
            assert words in server.calls[0]["body"]["messages"][-1]["content"][0]["text"]
        assert {row["score"] for row in rows} == {3.0}


def test_fingerprints_distinguish_judges_templates_and_served_models(tmp_path, images):
    def made_by(**changes):
        with ChatServer(answer=lambda body: "<3>") as server:
            rows = run(server, tmp_path, {"a": images}, **changes)
        [found] = {row["fingerprint"] for row in rows}
        return found

    first = made_by()
    assert made_by() == first
    others = {
        made_by(model="another"),
        made_by(template="judge_spatial"),
        made_by(options={"temperature": 0}),
        made_by(draws=2),
    }
    assert len({first, *others}) == 5
    kept = (tmp_path / "fingerprints" / f"{first}.json").read_text()
    assert '"served_model": "some-model"' in kept
