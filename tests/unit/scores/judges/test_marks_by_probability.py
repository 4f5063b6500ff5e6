"""Marks read from token probabilities: requests, rows, fingerprints, one prefix for all questions about an image."""

import json

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm.client import Chat
from detailscribe.llm.endpoint_state import MAX_ALIKE_FAILURES
from detailscribe.methods.roles import request_for
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.scores.judges.asking import asking_parameters
from detailscribe.scores.judges.marks import judge_images
from detailscribe.scores.judges.reading import YES_OR_NO, ask_and_read
from tests.chat_replies import chat_logprobs
from tests.chat_server import ChatServer
from tests.unit.study.configured import configured_study

RECORDS = [
    {"id": "knot-1", "topic": "tie knot", "prompt": "A lynx ties a knot."},
    {"id": "dough-2", "topic": "roll dough", "prompt": "A beaver rolls dough."},
]
KEYS = ["id", "image_set", "score", "status", "reason", "draws", "exchange", "fingerprint", "entropy", "outside"]
MARKS = {"4": 0.5, "5": 0.25, "The": 0.25}
ANSWERS = {"yes": 0.6, "no": 0.2, "It": 0.2}


@pytest.fixture
def images(tmp_path):
    found = {}
    for record in RECORDS:
        path = tmp_path / f"{record['id']}.png"
        path.write_bytes(placeholder_png(record["prompt"]))
        found[record["id"]] = {"status": "ok", "reason": "", "path": path, "sha256": "unused"}
    return found


def parameters(**changes):
    """Parameters of a judge as a study has them, for the endpoint of `serving`."""
    entry = {"endpoint": "server", "model": "some-model", "reading": "expected"} | changes
    endpoint = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "", "in_flight": 1, "timeout_s": 1}
    endpoint |= {"max_retries": 0, "input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
    study = configured_study(judges={"main": entry}, endpoints={"server": endpoint})
    rest = {"missing_score": None, "endpoint": "server"}
    return asking_parameters(study, study.judging["main"]) | rest


def serving(alternatives=MARKS, **changes):
    """A server whose answers have one token with these alternatives."""
    answer = next(iter(alternatives))
    return ChatServer(
        answer=lambda body: answer, logprobs=lambda body: chat_logprobs((answer, alternatives)), **changes
    )


def run(server, store, image_sets, judge, **endpoint):
    chat = Chat({"server": server.endpoint(**({"in_flight": 1} | endpoint))}, store / "exchanges", "live")
    return judge_images(RECORDS, image_sets, judge, chat, fingerprints=store / "fingerprints")


@pytest.mark.parametrize(
    ("changes", "alternatives", "score", "outside", "words"),
    [
        ({}, MARKS, 13 / 3, 0.25, "Answer with the grade alone, one digit from 1 to 5"),
        ({"template": "judge_spatial"}, MARKS, 13 / 3, 0.25, "Answer with the grade alone, one digit from 1 to 5"),
        (
            {"template": "judge_yes_no", "scale": "yes_no", "reading": "p_yes"},
            ANSWERS,
            0.75,
            0.2,
            "Answer with one word alone, yes or no, without a reason.",
        ),
    ],
)
def test_a_mark_alone_is_asked_for_and_read(tmp_path, images, changes, alternatives, score, outside, words):
    with serving(alternatives) as server:
        rows = run(server, tmp_path, {"a": images, "none": {}}, parameters(**changes))
        bodies = [call["body"] for call in server.calls]
    assert all(list(row) == KEYS for row in rows)
    for row in rows[:2]:
        assert (row["status"], row["score"], row["outside"]) == ("ok", pytest.approx(score), pytest.approx(outside))
        assert row["draws"] == [row["score"]] and row["entropy"] > 0
    assert [row["status"] for row in rows[2:]] == ["skipped"] * 2
    assert all(row["entropy"] is row["outside"] is row["score"] is None for row in rows[2:])
    for body in bodies:
        assert {name: body[name] for name in ("logprobs", "top_logprobs", "max_tokens")} == {
            **{"logprobs": True, "top_logprobs": 20, "max_tokens": 16}
        }
        image, text = body["messages"][-1]["content"]
        assert image["type"] == "image_url" and words in text["text"]
        assert "reason in one" not in text["text"] and "angle brackets" not in text["text"]


def test_a_structured_answer_has_no_reason_and_is_read_at_its_value(tmp_path, images):
    tokens = [('{"score": ', {'{"score": ': 1.0}), ("4", MARKS), ("}", {"}": 1.0})]
    with ChatServer(answer=lambda body: '{"score": 4}', logprobs=lambda body: chat_logprobs(*tokens)) as server:
        rows = run(server, tmp_path, {"a": images}, parameters(reply="structured"))
        body = server.calls[0]["body"]
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["score"]
    assert "reason" not in json.dumps(body)
    assert {(row["status"], round(row["score"], 9)) for row in rows} == {("ok", round(13 / 3, 9))}


def test_several_draws_keep_each_entropy(tmp_path, images):
    answers = iter([MARKS, {"3": 1.0}, {"The": 1.0}] * 2)
    with ChatServer(answer=lambda body: "?", logprobs=lambda body: chat_logprobs(("?", next(answers)))) as server:
        rows = run(server, tmp_path, {"a": images, "none": {}}, parameters(draws=3))
    assert all(list(row) == [*KEYS[:-1], "entropy_draws", "outside", "outside_draws"] for row in rows)
    for row in rows[:2]:
        assert sorted(row["draws"], key=str) == [3.0, pytest.approx(13 / 3), None]
        assert row["score"] == pytest.approx((13 / 3 + 3) / 2)
        assert len(row["entropy_draws"]) == 3 and row["entropy_draws"].count(None) == 1
        assert row["entropy"] == pytest.approx(sum(filter(None, row["entropy_draws"])) / 2)
        assert row["outside"] == pytest.approx(0.125)
    assert all(row["entropy_draws"] == row["outside_draws"] == [] for row in rows[2:])


@pytest.mark.parametrize(("logprobs", "expected"), [(True, ("ok", 2.0)), (False, ("failed", None))])
def test_the_missing_score_is_of_replies_without_a_mark_alone(tmp_path, images, logprobs, expected):
    """A server that gives no probabilities is no image of grade 2."""
    given = (lambda body: chat_logprobs(("A fine picture.", {"A fine picture.": 1.0}))) if logprobs else None
    with ChatServer(answer=lambda body: "A fine picture.", logprobs=given) as server:
        rows = run(server, tmp_path, {"a": images}, parameters() | {"missing_score": 2})
    assert {(row["status"], row["score"]) for row in rows} == {expected}
    assert all(row["entropy"] is row["outside"] is None for row in rows)


def test_a_sampled_judge_asks_and_writes_as_before(tmp_path, images):
    """Its requests and rows have nothing of the other readings."""
    judge = parameters(reading="sampled", options={"max_tokens": 256})
    assert judge["options"] == {"max_tokens": 256} and "reading" not in judge
    assert set(judge["template"]) == {"system", "user"} and "angle brackets" in judge["template"]["user"]
    with ChatServer(answer=lambda body: "Fine. <4>") as server:
        rows = run(server, tmp_path, {"a": images}, judge)
        [text, image] = server.calls[0]["body"]["messages"][-1]["content"]
    assert (text["type"], image["type"]) == ("text", "image_url")
    assert all(list(row) == KEYS[:-2] and row["score"] == 4.0 for row in rows)
    recipe = json.loads((tmp_path / "fingerprints" / f"{rows[0]['fingerprint']}.json").read_text())
    assert "reading" not in recipe


def test_the_reading_is_part_of_the_fingerprint(tmp_path, images):
    with serving() as server:
        rows = run(server, tmp_path, {"a": images}, parameters())
    recipe = json.loads((tmp_path / "fingerprints" / f"{rows[0]['fingerprint']}.json").read_text())
    assert recipe["reading"] == "expected" and recipe["options"]["top_logprobs"] == 20


def test_own_options_stay(tmp_path):
    own = {"max_completion_tokens": 400, "top_logprobs": 8, "temperature": 0}
    assert parameters(options=own)["options"] == own | {"logprobs": True}


def test_without_probabilities_the_job_stops_after_the_first_answers(tmp_path, images):
    sets = {f"set-{n}": {} for n in range(6)}
    for n, name in enumerate(sets):
        for record in RECORDS:
            path = tmp_path / f"{name}-{record['id']}.png"
            path.write_bytes(placeholder_png(f"{record['prompt']} {n}"))
            sets[name][record["id"]] = images[record["id"]] | {"path": path}
    with (
        ChatServer(answer=lambda body: "4") as server,
        pytest.raises(SetupError, match="Endpoint 'server' answers for 'some-model' without token probabilities"),
    ):
        run(server, tmp_path, sets, parameters())
    assert len(server.calls) == 5


@pytest.mark.parametrize(("in_flight", "batch"), [(1, False), (4, False), (1, True)])
def test_questions_about_an_image_begin_alike_and_follow_each_other(tmp_path, images, in_flight, batch):
    """N questions have one prefix per image: what a server that caches prefixes encodes once."""
    count, judge = 6, parameters(reading="p_yes", scale="yes_no", template="judge_yes_no")
    judge["template"] = {"system": "You look at pictures.", "user": "Does it show part {{ topic }}?"}
    requests = [
        request_for("judge", judge, record, {"topic": f"{n}"}, [images[record["id"]]["path"]], images_first=True)
        for record in RECORDS
        for n in range(count)
    ]
    with serving(ANSWERS) as server:
        chat = Chat({"server": server.endpoint(in_flight=in_flight, batch=batch)}, tmp_path / "exchanges", "live")
        readings = ask_and_read(chat, requests, YES_OR_NO, "p_yes")
        messages = [call["body"]["messages"] for call in server.calls]
    assert {round(reading.value, 9) for _, reading in readings} == {0.75}
    prefixes = [json.dumps([system, user["content"][0]]) for system, user in messages]
    texts = {user["content"][1]["text"] for _, user in messages}
    assert len(prefixes) == 2 * count and len(texts) == count
    assert len(set(prefixes)) == 2, "one per image"
    changes = sum(one != other for one, other in zip(prefixes, prefixes[1:], strict=False))
    # With calls side by side, those of two images may cross where one image's questions end; never before.
    assert changes == 1 if in_flight == 1 else changes <= 2 * in_flight - 1
    assert prefixes[0] == prefixes[count - in_flight] and prefixes[-1] == prefixes[count + in_flight - 1]


@pytest.mark.parametrize("count", [8, 3], ids=["stopped", "too few to stop"])
def test_answers_without_probabilities_are_asked_again_where_the_server_has_them_now(tmp_path, images, count):
    image_sets = {f"set-{number}": {} for number in range(count)}
    for number, name in enumerate(image_sets):
        path = tmp_path / f"other-{number}.png"
        path.write_bytes(placeholder_png(f"another {number}"))
        image_sets[name] = {RECORDS[0]["id"]: {"status": "ok", "reason": "", "path": path, "sha256": "unused"}}
    judge = parameters()
    with ChatServer(answer=lambda body: "4") as server:
        if count > MAX_ALIKE_FAILURES:
            with pytest.raises(SetupError, match="without token probabilities"):
                run(server, tmp_path, image_sets, judge)
        else:
            rows = run(server, tmp_path, image_sets, judge)
            assert {row["status"] for row in rows if row["exchange"]} == {"failed"}
        assert len(server.calls) == min(count, MAX_ALIKE_FAILURES)
    with serving() as server:
        rows = [row for row in run(server, tmp_path, image_sets, judge) if row["exchange"]]
        assert len(server.calls) == count
        assert run(server, tmp_path, image_sets, judge) and len(server.calls) == count, "nothing is asked twice"
    assert [row["status"] for row in rows] == ["ok"] * count
    kept = list((tmp_path / "exchanges" / "replaced").iterdir())
    assert len(kept) == min(count, MAX_ALIKE_FAILURES), "what was paid for is kept"
