"""Readings of answers: where the mark stands, spellings, entropy, what lies outside, and when there is none."""

import math

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Answer, Request
from detailscribe.methods.reply_parsing import PAIR_MARKS, pair_value
from detailscribe.scores.judges.mark_place import mark_place
from detailscribe.scores.judges.reading import GRADES, YES_OR_NO, Scale, ask_and_read, read_answer
from tests.chat_replies import chat_body, chat_logprobs
from tests.chat_server import ChatServer

PAIRS = Scale(PAIR_MARKS, pair_value, "number from 1 to 5")
LETTERS = Scale({"A": 1.0, "B": -1.0, "C": 0.0}, lambda text: {"<A>": 1.0, "<B>": -1.0, "<C>": 0.0}.get(text), "letter")
FIVE = {"1": 0.1, "2": 0.1, "3": 0.2, "4": 0.4, "5": 0.2}
MEAN = 3.5
ONE = {"4": 1.0}


def certain(*texts):
    return [(text, {text: 1.0}) for text in texts]


def read(tmp_path, tokens, scale=GRADES, reading="expected", text=None, finish="stop", body=None, asked="How good?"):
    """The reading of a recorded reply; `tokens`: text and alternatives of each."""
    text = "".join(each for each, _ in tokens) if text is None else text
    request = Request("judge", "server", "m", [{"role": "user", "content": asked}])
    body = chat_body(text, logprobs=chat_logprobs(*tokens)) if body is None else body
    answer = Answer("ok", text=text, finish_reason=finish, body=body)
    reply = exchange_store.record_answer(tmp_path, request, answer, {})
    return read_answer(reply, request, scale, reading, tmp_path)


PLACES = {  # tokens of a reply in which FIVE stands at the mark, or one with the same shares
    "the mark alone": [("4", FIVE)],
    "after a blank": [(" ", {" ": 1.0}), ("4", FIVE)],
    "in one token with a blank": [(" 4", {f" {mark}": share for mark, share in FIVE.items()})],
    "bold": [*certain("**"), ("4", FIVE), *certain("**")],
    "followed by the end of the turn": [("4", FIVE), *certain("<|im_end|>")],
    "after an empty thought": [*certain("<think>", "\n\n", "</think>", "\n\n"), ("4", FIVE)],
    "after a thought that names other marks": [*certain("<think>", "2 or 5?", "</think>"), ("4", FIVE)],
    "in a short sentence": [*certain("Grade", ":", " "), ("4", FIVE), *certain(".")],
    "out of five": [("4", FIVE), *certain("/", "5")],
    "in brackets": [*certain("<"), ("4", FIVE), *certain(">")],
    "in one token with the bracket": [("<4", {f"<{mark}": share for mark, share in FIVE.items()}), *certain(">")],
    "one token with both brackets": [("<4>", {f"<{mark}>": share for mark, share in FIVE.items()})],
    "in the last brackets": [*certain("<2> at first, 5 paws, then <"), ("4", FIVE), *certain(">")],
    "named again before": [*certain("All 4 paws: <"), ("4", FIVE), *certain(" - all paws", ">")],
    "in tags": [*certain("<score>"), ("4", FIVE), *certain("</score>")],
    "in JSON": [*certain('{"reason": "4 paws", "score": '), ("4", FIVE), *certain("}")],
    "in JSON, as text": [*certain('{"score": "'), ("4", FIVE), *certain('"}')],
    "full width": [("４", {"４": 0.4, "5": 0.2, "３": 0.2, "1": 0.1, "2": 0.1})],
    "split spellings": [("4", {"4": 0.1, " 4": 0.1, "<4": 0.1, "**4": 0.1, "5": 0.2, "3": 0.2, "2": 0.1, "1": 0.1})],
}


@pytest.mark.parametrize("name", PLACES)
def test_the_mark_is_found_wherever_the_parser_reads_it(tmp_path, name):
    found = read(tmp_path, PLACES[name])
    entropy = -sum(share * math.log2(share) for share in FIVE.values())
    assert (found.status, found.reason) == ("ok", "")
    assert found.value == pytest.approx(MEAN, abs=1e-12)
    assert found.entropy == pytest.approx(entropy, abs=1e-12) and found.outside == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("scale", "alternatives", "value", "entropy", "outside"),
    [
        (GRADES, {"4": 0.25, "5": 0.25, "The": 0.5}, 4.5, 1.0, 0.5),
        (GRADES, {"4": 0.9, "10": 0.1}, 4.0, 0.0, 0.1),
        (GRADES, {"4": 0.4, "four": 0.4}, 4.0, 0.0, 0.6),
        (YES_OR_NO, {"yes": 0.6, "no": 0.2, "maybe": 0.2}, 0.75, None, 0.2),
        (YES_OR_NO, {"Yes": 0.1, " yes": 0.1, "YES": 0.1, '"yes': 0.1, "No": 0.1, "nothing": 0.3}, 0.8, None, 0.5),
        (YES_OR_NO, {"no": 0.9, "yes": 0.0}, 0.0, 0.0, 0.1),
        (PAIRS, {"1": 0.5, "2": 0.25, "5": 0.25}, 0.375, 1.5, 0.0),
        (LETTERS, {"A": 0.5, "b": 0.25, " C": 0.25}, 0.25, 1.5, 0.0),
    ],
)
def test_value_entropy_and_what_lies_outside(tmp_path, scale, alternatives, value, entropy, outside):
    found = read(
        tmp_path, [(next(iter(alternatives)), alternatives)], scale, "p_yes" if scale is YES_OR_NO else "expected"
    )
    assert found.status == "ok" and found.value == pytest.approx(value, abs=1e-12)
    assert found.outside == pytest.approx(outside, abs=1e-9)
    shares = (value, 1 - value)
    expected = -sum(p * math.log2(p) for p in shares if p) if entropy is None else entropy
    assert found.entropy == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("tokens", "changes", "status", "said"),
    [
        ([("3", ONE), *certain(".5")], {}, "unparsed", "3.5 is none of the marks 1, 2, 3, 4, 5"),
        (certain("A fine picture."), {}, "unparsed", "no score from 1 to 5 in the reply: A fine picture."),
        (certain("I", "'m sorry, but I can't."), {}, "refused", "the model declined"),
        (certain("<think>", "4 or 5"), {}, "failed", "within its thoughts"),
        (certain("It is <4> or <"), {"finish": "length"}, "failed", "cut off"),
        (
            certain("<yes> or <no>"),
            {"scale": YES_OR_NO, "asked": "Answer <yes> or <no>"},
            "unparsed",
            "repeats the ins",
        ),
        (certain("ye", "s"), {"scale": YES_OR_NO}, "failed", "the answer is not one token of this model"),
        (certain("Answer4"), {"text": "4"}, "failed", "the answer is not one token of this model"),
        (certain("5"), {"text": "4"}, "failed", "the tokens of the response are not those of its text: 5"),
        ([("4", {"The": 1.0, "A": 0.0})], {}, "failed", "no mark is among the 3 most probable tokens"),
        (certain("4"), {"body": chat_body("4")}, "failed", "no token probabilities: the response has no `logprobs`"),
        (certain("4"), {"body": {"choices": [{"logprobs": {"content": [7]}}]}}, "failed", "cannot be read"),
    ],
)
def test_a_reply_without_a_reading_has_a_reason_and_is_never_sampled(tmp_path, tokens, changes, status, said):
    found = read(tmp_path, tokens, **changes)
    assert (found.status, found.value, found.entropy, found.outside) == (status, None, None, None)
    assert said in found.reason and "\n" not in found.reason


def test_a_first_token_that_says_something_else_is_read_if_most_of_it_is_on_marks(tmp_path):
    """Drawn at a temperature, a reply may begin with a rare token; the distribution there is the same."""
    for mass, status in ((0.6, "ok"), (0.4, "unparsed")):
        alternatives = {"The": 1 - mass, "4": mass / 2, "5": mass / 2}
        found = read(tmp_path / str(mass), [("The", alternatives), *certain(" picture is fine")])
        assert found.status == status and found.value == (4.5 if status == "ok" else None)


@pytest.mark.parametrize("text", ["<4>", "4", "x", "I'm sorry, I can't."])
def test_the_sampled_reading_needs_no_probabilities(tmp_path, text):
    found = read(tmp_path, certain(text), reading="sampled", body=chat_body(text))
    assert (found.value, found.entropy, found.outside) == (4.0 if text == "<4>" else None, None, None)
    assert found.status == {"<4>": "ok", "4": "unparsed", "x": "unparsed"}.get(text, "refused")


def test_no_bracket_makes_the_search_for_a_mark_long():
    assert mark_place("<" * 20000 + "4>", GRADES.marks, GRADES.parse)[1] == 4.0


def questions(count):
    return [
        Request("judge", "server", "m", [{"role": "user", "content": f"question {n}"}], options={"logprobs": True})
        for n in range(count)
    ]


def test_a_server_that_ignores_the_option_stops_the_calls_and_keeps_its_answers(tmp_path):
    with ChatServer(answer=lambda body: "4") as server:
        chat = Chat({"server": server.endpoint(in_flight=1)}, tmp_path, "live")
        said = r"Endpoint 'server' answers for 'm' without token probabilities, which the reading expected needs \(the "
        said += (
            r"response has no `logprobs`\); set `reading: sampled`, or another server or model .*recorded answers are"
        )
        for calls in (5, 10):  # once more, since another server may answer by now
            with pytest.raises(SetupError, match=said):
                ask_and_read(chat, questions(40), GRADES, "expected")
            assert len(server.calls) == calls
        assert len(exchange_store.exchange_files(tmp_path)) == 5
        assert len(list((tmp_path / exchange_store.REPLACED).iterdir())) == 5, "what was answered is not lost"
        readings = ask_and_read(chat, questions(4), GRADES, "expected")
        assert {(each.status, each.value) for _, each in readings} == {("failed", None)}
        sampled = ask_and_read(chat, questions(5), GRADES, "sampled")
        assert {each.status for _, each in sampled} == {"unparsed"}
        replayed = ask_and_read(Chat(chat.endpoints, tmp_path, "replay"), questions(5), GRADES, "expected")
        assert {each.status for _, each in replayed} == {"failed"}
        assert len(server.calls) == 14


def test_a_server_that_gives_them_for_some_answers_goes_on(tmp_path):
    """Of a router's providers, some give probabilities and others do not."""

    def logprobs(body):
        return chat_logprobs(("4", FIVE)) if body["messages"][0]["content"] == "question 3" else None

    with ChatServer(answer=lambda body: "4", logprobs=logprobs) as server:
        chat = Chat({"server": server.endpoint(in_flight=1)}, tmp_path, "live")
        readings = ask_and_read(chat, questions(30), GRADES, "expected")
    assert [each.status for _, each in readings] == ["ok" if n == 3 else "failed" for n in range(30)]
    assert readings[3][1].value == pytest.approx(MEAN)


def test_refusals_do_not_stop_a_probability_reading(tmp_path):
    with ChatServer(refuse=lambda *_: True) as server:
        chat = Chat({"server": server.endpoint()}, tmp_path, "live")
        assert {each.status for _, each in ask_and_read(chat, questions(12), GRADES, "expected")} == {"refused"}


@pytest.mark.parametrize("batch", [False, True])
def test_a_batch_gives_the_same_readings(tmp_path, batch):
    with ChatServer(answer=lambda body: "4", logprobs=lambda body: chat_logprobs(("4", FIVE))) as server:
        chat = Chat({"server": server.endpoint(batch=batch)}, tmp_path, "live")
        readings = ask_and_read(chat, questions(3), GRADES, "expected")
        assert bool(server.batches) == batch
    assert {round(each.value, 9) for _, each in readings} == {MEAN}
