"""A judge of pairs: both orders, images that are missing, identical or chosen, failed replies, what decides a row."""

import base64
import math

import pytest

from detailscribe.llm.client import Chat
from detailscribe.methods.reply_parsing import judge_response_format
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.scores.judges.pairs import images_of_methods, judge_pairs, parameters
from tests.chat_replies import chat_body, role, template
from tests.chat_server import ChatServer
from tests.unit.study.configured import CONFIG, configured_study

RECORDS = [
    {"id": "knot-1", "topic": "tie-knot_2", "prompt": "A lynx ties a knot."},
    {"id": "dough-2", "topic": "roll dough", "prompt": "A beaver rolls dough."},
]
KEYS = [
    *("id", "first", "second", "first_image_set", "second_image_set", "value", "choice", "status", "reason"),
    *("identical", "draws", "exchange", "fingerprint"),
]
JUDGE = {"scenario_templates": {}, "scale": "pair", "structured": False, "draws": 1, "topic_cut": False}
ONE_PAIR = {"kind": "all"}


@pytest.fixture
def images(tmp_path):
    """By method, by id: an image of its own."""
    found: dict = {}
    for name in ("sd", "ours", "hosted"):
        for record in RECORDS:
            path = tmp_path / f"{name}-{record['id']}.png"
            path.write_bytes(placeholder_png(f"{name} {record['prompt']}"))
            row = {"status": "ok", "reason": "", "path": path, "sha256": path.name, "image_set": f"{name}-set"}
            found.setdefault(name, {})[record["id"]] = row
    return found


def run(server, store, images, on_done=None, records=RECORDS, scenario="", **changes):
    chat = Chat({"server": server.endpoint(in_flight=1)}, store / "exchanges", "live")
    judge = role("judge_pair") | JUDGE | {"schedule": ONE_PAIR} | changes
    return judge_pairs(records, images, judge, chat, on_done, scenario, store / "fingerprints")


def shown(body: dict) -> list[bytes]:
    """The images of a request, in their order, which must come before its text."""
    parts = body["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    return [base64.b64decode(part["image_url"]["url"].partition("base64,")[2]) for part in parts[:2]]


def two(images) -> dict:
    return {name: images[name] for name in ("sd", "ours")}


def test_every_pair_is_asked_in_both_orders(tmp_path, images):
    ours = [row["path"].read_bytes() for row in images["ours"].values()]
    done: list[int] = []
    with ChatServer(answer=lambda body: "<1>" if shown(body)[0] in ours else "<4>") as server:
        rows = run(server, tmp_path, images, lambda: done.append(1))
        assert len(server.calls) == len(rows) == len(done) == 12
        assert {call["role"] for call in server.calls} == {"judge_pair"}
    assert all(list(row) == KEYS for row in rows)
    assert len({(row["id"], row["first"], row["second"]) for row in rows}) == 12
    assert [(row["first"], row["second"]) for row in rows[:2]] == [("ours", "sd"), ("sd", "ours")]
    assert [(row["value"], row["choice"], row["draws"]) for row in rows[:2]] == [
        (1.0, "first", [1.0]),
        (-0.5, "second", [-0.5]),
    ]
    assert (rows[0]["first_image_set"], rows[0]["second_image_set"]) == ("ours-set", "sd-set")
    assert {row["status"] for row in rows} == {"ok"} and not any(row["identical"] for row in rows)


@pytest.mark.parametrize(
    ("replies", "values", "statuses"),
    [
        (["<2>", "no number"], [0.5, None], ["ok", "unparsed"]),
        (["I'm sorry, but I can't help with that.", "<3>"], [None, 0.0], ["refused", "ok"]),
        (["<5>", "<6>"], [-1.0, None], ["ok", "unparsed"]),
    ],
)
def test_an_order_without_a_readable_answer_leaves_the_other_in_place(tmp_path, images, replies, values, statuses):
    answers = iter(replies)
    with ChatServer(answer=lambda body: next(answers)) as server:
        rows = run(server, tmp_path, two(images), records=RECORDS[:1])
    assert [row["value"] for row in rows] == values
    assert [row["status"] for row in rows] == statuses
    assert [bool(row["reason"]) for row in rows] == [value is None for value in values]
    assert [row["choice"] is None for row in rows] == [value is None for value in values]
    assert all(len(row["exchange"]) == 1 for row in rows)


def test_a_failed_call_is_a_row_and_stops_no_other(tmp_path, images):
    faults = iter(["garbage"])
    with ChatServer(answer=lambda body: "<3>", fault=lambda *_: next(faults, None)) as server:
        rows = run(server, tmp_path, two(images))
    assert [row["status"] for row in rows] == ["failed", "ok", "ok", "ok"]
    assert rows[0]["value"] is None and rows[0]["reason"]


def test_identical_images_are_a_tie_that_nobody_is_asked_about(tmp_path, images):
    images["ours"]["knot-1"]["sha256"] = images["sd"]["knot-1"]["sha256"]
    done: list[int] = []
    with ChatServer(answer=lambda body: "<1>") as server:
        rows = run(server, tmp_path, two(images), lambda: done.append(1))
        assert len(server.calls) == 2
    assert len(done) == 4
    for row in rows[:2]:
        assert (row["identical"], row["value"], row["choice"], row["status"]) == (True, 0.0, "tie", "ok")
        assert (row["draws"], row["exchange"], row["fingerprint"], row["reason"]) == ([], [], None, "")
    assert not any(row["identical"] for row in rows[2:])


def test_a_pair_without_an_image_is_skipped_and_says_which(tmp_path, images):
    images["ours"]["knot-1"] |= {"status": "failed", "reason": "no memory", "path": None}
    images["sd"]["dough-2"]["path"].unlink()
    del images["hosted"]["dough-2"]
    with ChatServer(answer=lambda body: "<1>") as server:
        rows = run(server, tmp_path, images)
        assert len(server.calls) == 2  # hosted and sd of the first prompt
    reasons = {(row["id"], row["first"], row["second"]): row["reason"] for row in rows if row["status"] == "skipped"}
    assert reasons["knot-1", "ours", "sd"] == "ours: the image is failed: no memory"
    assert reasons["dough-2", "sd", "ours"] == "sd: the image file is missing (sd-dough-2.png)"
    assert reasons["dough-2", "hosted", "sd"].startswith("hosted: there is no image; sd: ")
    assert len(reasons) == 10


def test_the_value_is_the_mean_of_the_readable_repeats_and_the_choice_its_nearest_mark(tmp_path, images):
    answers = iter(["<1>", "nothing", "<3>", "<3>", "<3>", "<2>"])
    with ChatServer(answer=lambda body: next(answers)) as server:
        rows = run(server, tmp_path, two(images), records=RECORDS[:1], draws=3)
        assert len(server.calls) == 6
    assert sorted(rows[0]["draws"], key=str) == [0.0, 1.0, None] and len({*rows[0]["exchange"]}) == 3
    assert [(row["value"], row["choice"]) for row in rows] == [(0.5, "first"), (pytest.approx(1 / 6), "tie")]


@pytest.mark.parametrize(("reply", "value"), [('{"reason": "a {b}", "score": 5}', -1.0), ("<5>", -1.0), ("5", None)])
def test_structured_replies_are_requested_and_parsed(tmp_path, images, reply, value):
    options = judge_response_format("pair")
    assert options["response_format"]["json_schema"]["schema"]["properties"]["score"]["enum"] == [1, 2, 3, 4, 5]
    with ChatServer(answer=lambda body: reply) as server:
        rows = run(server, tmp_path, two(images), structured=True, options=options)
        sent = server.calls[0]["body"]
    assert sent["response_format"] == options["response_format"]
    assert "angle brackets" not in sent["messages"][-1]["content"][-1]["text"]
    assert {row["value"] for row in rows} == {value}


def test_a_reading_by_probability_asks_for_a_digit_alone_and_takes_the_mean_of_the_marks(tmp_path, images):
    chances = {"1": 0.5, "2": 0.2, "3": 0.1, "other": 0.2}

    def answer(body: dict) -> dict:
        top = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
        content = [{"token": "1", "logprob": math.log(0.5), "top_logprobs": top}]
        reply = chat_body("1")
        reply["choices"][0]["logprobs"] = {"content": content}
        return reply

    server = {"name": {"kind": "openai"} | CONFIG["endpoints"]["openai"]}
    entry = {key: value for key, value in CONFIG["judges"]["demo_pairs"].items() if key != "demo"}
    study = configured_study(
        endpoints={"server": server["name"]},
        judges={
            "demo_pairs": None,
            "j": entry | {"endpoint": "server", "reading": "expected", "methods": ["sd", "hosted"]},
        },
    )
    settings = parameters(study)["judge-j"]
    assert settings["reading"] == "expected" and settings["options"]["logprobs"] is True
    assert "one digit" in settings["template"]["user"] and "reason in" not in settings["template"]["user"]
    with ChatServer(fault=lambda *_: answer({})) as server:
        rows = run(server, tmp_path, two(images), **{key: settings[key] for key in ("reading", "options", "template")})
    expected = (0.5 * 1 + 0.2 * 0.5) / 0.8
    for row in rows:
        assert (row["status"], row["value"], row["choice"]) == ("ok", pytest.approx(expected), "first")
        assert row["outside"] == pytest.approx(0.2) and 0 < row["entropy"] < math.log2(5)


def test_a_scenario_may_have_its_own_template_and_the_topic_may_be_cut(tmp_path, images):
    own = {"layouts": {"system": "Other.", "user": "Which? {{ topic }} <number>"}}
    with ChatServer(answer=lambda body: "<3>") as server:
        run(server, tmp_path, two(images), scenario="layouts", scenario_templates=own, topic_cut=True)
        assert server.calls[0]["body"]["messages"][-1]["content"][-1]["text"] == "Which? tie-knot <number>"


def test_fingerprints_distinguish_judges_templates_and_draws_but_not_schedules(tmp_path, images):
    def made_by(**changes):
        with ChatServer(answer=lambda body: "<3>") as server:
            [found] = {row["fingerprint"] for row in run(server, tmp_path, two(images), **changes)}
        return found

    first = made_by()
    assert made_by(schedule={"kind": "baseline", "baseline": "sd"}) == first
    others = {made_by(model="another"), made_by(template=template("judge_rubric")), made_by(draws=2)}
    assert len({first, *others}) == 4


def test_the_image_of_a_method_with_several_is_the_best_by_the_selector(images):
    sets = {"sd": images["sd"], "k0": images["ours"], "k1": images["hosted"]}
    scores = [
        {"id": "knot-1", "image_set": "k0", "score": 0.5},
        {"id": "knot-1", "image_set": "k1", "score": 0.5},  # the first candidate wins a tie
        {"id": "knot-1", "image_set": "sd", "score": 0.9},
        {"id": "dough-2", "image_set": "k0", "score": 0.1},
        {"id": "dough-2", "image_set": "k1", "score": None},
    ]
    found = images_of_methods(RECORDS, {"sd": ["sd"], "ours": ["k0", "k1"]}, sets, scores, "clip_score")
    assert found["ours"]["knot-1"]["path"] == images["ours"]["knot-1"]["path"]
    assert (found["ours"]["dough-2"]["status"], found["ours"]["dough-2"]["reason"]) == (
        "skipped",
        "no clip_score of k1",
    )
    assert found["sd"] == images["sd"]
    without = images_of_methods(RECORDS, {"ours": ["k0", "k1"]}, sets, [], "clip_score")["ours"]
    assert {row["reason"] for row in without.values()} == {"there are no scores by clip_score"}


def test_a_row_of_a_selection_names_the_image_set_that_it_chose(images):
    chosen = {id: row | {"image_set": "hosted"} for id, row in images["sd"].items()}
    found = images_of_methods(RECORDS, {"best": ["best"]}, {"best": chosen}, [], "")
    assert {row["image_set"] for row in found["best"].values()} == {"hosted"}


def test_parameters_hold_what_decides_the_answers_and_the_pairs():
    entry = CONFIG["judges"]["demo_pairs"]
    values = parameters(configured_study())["judge-demo_pairs"]
    assert [name for name, _ in values["methods"]][:2] == [
        "sd",
        "gpt_rewrite",
    ]  # a list: JSON sorts the keys of objects
    assert dict(values["methods"])["detailscribe"] == [f"detailscribe-k{k}" for k in (0, 1, 2, 4)]
    assert (values["by"], values["schedule"]) == ("clip_score", {"kind": "baseline", "baseline": "sd"})
    assert "reading" not in values and "refresh" not in values and values["options"] == {}
    structured = configured_study(judges={"demo_pairs": entry | {"reply": "structured"}})
    assert parameters(structured)["judge-demo_pairs"]["options"] == judge_response_format("pair")
    assert parameters(configured_study(judges={"demo_pairs": None})) == {}
