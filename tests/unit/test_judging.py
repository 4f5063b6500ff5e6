"""Grades from a judge: no score without a readable reply, except where the config asks for one."""

import pytest

from detailscribe import offline
from detailscribe.chat import Chat
from detailscribe.judging import judge
from tests.chat_server import ChatServer, role

RECORDS = [
    {"id": "knot-1", "topic": "tie-knot_2", "prompt": "A lynx ties a knot."},
    {"id": "dough-2", "topic": "roll dough", "prompt": "A beaver rolls dough."},
]
KEYS = ["id", "image_set", "score", "status", "reason", "draws", "exchange"]


@pytest.fixture
def images(tmp_path):
    found = {}
    for record in RECORDS:
        path = tmp_path / f"{record['id']}.png"
        path.write_bytes(offline.picture(record["prompt"]))
        found[record["id"]] = {"status": "ok", "reason": "", "path": path, "sha256": "unused"}
    return found


def run(server, store, image_sets, on_done=None, draws=1, missing_score=None, topic_cut=False):
    chat = Chat({"server": server.endpoint(in_flight=1)}, store / "exchanges", "live")
    how = role("judge_rubric") | {"draws": draws, "missing_score": missing_score, "topic_cut": topic_cut}
    return judge(RECORDS, image_sets, how, chat, on_done)


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


def test_same_image_in_two_sets_is_asked_about_once(tmp_path, images):
    with ChatServer() as server:
        rows = run(server, tmp_path, {"a": images, "b": images})
        assert len(server.calls) == 2
    assert [row["score"] for row in rows[:2]] == [row["score"] for row in rows[2:]]


def test_score_is_the_mean_of_the_draws_that_gave_one(tmp_path, images):
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


def test_missing_score_of_the_released_code_says_so(tmp_path, images):
    with ChatServer(answer=lambda body: "A fine picture.") as server:
        rows = run(server, tmp_path, {"a": images}, missing_score=2)
    assert {(row["score"], row["status"]) for row in rows} == {(2.0, "ok")}
    assert all(row["reason"].endswith("counted as 2 (`missing_score`)") for row in rows)


def test_failed_call_gets_no_missing_score(tmp_path, images):
    with ChatServer(fault=lambda *_: "garbage") as server:
        rows = run(server, tmp_path, {"a": images}, missing_score=2)
    assert {(row["score"], row["status"]) for row in rows} == {(None, "failed")}


@pytest.mark.parametrize(("cut", "focus"), [(False, "Focus on tie-knot_2."), (True, "Focus on tie-knot.")])
def test_topic_is_cut_only_on_request(tmp_path, images, cut, focus):
    with ChatServer() as server:
        run(server, tmp_path, {"a": {"knot-1": images["knot-1"]}}, topic_cut=cut)
        [call] = server.calls
    assert focus in call["body"]["messages"][-1]["content"][0]["text"]
