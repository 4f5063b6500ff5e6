"""Replies of families of models, with their special tokens, thoughts and habits: `model_replies.yaml`."""

import re
import time
from pathlib import Path

import pytest
import yaml

from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing
from detailscribe.methods.instruction_echo import repeats_instruction
from detailscribe.methods.reply_text import spoken_text
from detailscribe.methods.roles import EXCERPT_LENGTH, prompt_in_reply, read_reply, request_for
from tests.chat_replies import role

FAMILIES = yaml.safe_load(Path(__file__).with_name("model_replies.yaml").read_text(encoding="utf-8"))
CASES = [(family["family"], case) for family in FAMILIES for case in family["cases"]]
RECORD = {"id": "play-1", "topic": "play", "prompt": "A dog plays ball on the grass."}
TEMPLATES = {
    "prompt": "critique_ablation",
    "whole": "refine_prompt",
    "parts": "decompose",
    "grade": "judge_rubric",
    "yes_no": "judge_yes_no",
}
OWN_WORDS = {"<|A dog plays ball.|>", "A sign reads [THINK] in neon light."}  # that look like special tokens
SECONDS = 5  # for a text of up to a megabyte in five roles; quadratic time would take hours


def make_request(kind: str, **values) -> Request:
    values = {"prompt": RECORD["prompt"], "topic": RECORD["topic"], "scale": "grade", "structured": False} | values
    return request_for(kind, role(TEMPLATES[kind]), RECORD, values)


def make_reply(text: str, finish: str = "stop", tokens: int | None = 20) -> Reply:
    usage = None if tokens is None else {"input_tokens": 9, "output_tokens": tokens}
    return Reply("0" * 64, "ok", "", text, usage, "m", "", None, finish)


def read(kind: str, reply: Reply, request: Request | None = None):
    """Status, reason and value of a reply, read as the stage of its role reads it."""
    request = request or make_request(kind)
    if kind in ("prompt", "whole"):
        return prompt_in_reply(reply, {"reply": "whole" if kind == "whole" else "brackets"}, request)
    if kind == "parts":
        return read_reply(reply, request, reply_parsing.parse_decomposition, "<(concept: x) = (a) + (b)>")
    if kind == "grade":
        return read_reply(reply, request, reply_parsing.judge_score, "score from 1 to 5")
    return read_reply(reply, request, reply_parsing.yes_or_no, "yes or no")


@pytest.mark.parametrize(("family", "case"), CASES, ids=[f"{name}-{case['role']}" for name, case in CASES])
def test_a_reply_is_read_as_a_person_would(family, case):
    status, reason, value = read(case["role"], make_reply(case["reply"], case.get("finish", "stop")))
    assert status == case.get("status", "ok"), reason
    if status != "ok":
        assert case["reads"] in reason
        assert value is None
    elif case["role"] == "parts":
        assert [value[0], *value[1]] == case["reads"]
    else:
        assert (value, reason) == (case["reads"], "")


def test_more_than_fifteen_families_are_covered():
    assert len({re.sub(r"[\d.]+\w*$", "", family["family"]).strip() for family in FAMILIES}) >= 25


def test_no_special_token_survives():
    token = re.compile(r"<\|[a-z_]+\||\|>|</s>|<end_of|<eos|think|\[EOS\]|▁", re.IGNORECASE)
    spoken = {case["reply"]: spoken_text(case["reply"]).text for _, case in CASES if case.get("status", "ok") == "ok"}
    assert {text for text in spoken.values() if token.search(text)} == OWN_WORDS


def test_a_cut_reply_without_usage_names_its_limit():
    assert read("whole", make_reply("A dog", "length", None))[1] == "cut off at its token limit; raise max_tokens"


@pytest.mark.parametrize("kind", ["prompt", "parts", "grade", "yes_no"])
def test_an_unread_reply_is_quoted(kind):
    text = "A fine\n picture\x1b[2J, nothing \ud800 to correct. " * 9
    status, reason, _ = read(kind, make_reply(text))
    quoted = " ".join(text.split()).replace("\x1b", "�").replace("\ud800", "�")[:EXCERPT_LENGTH]
    assert (status, reason.partition(": ")[2] if kind != "parts" else reason[-EXCERPT_LENGTH:]) == ("unparsed", quoted)


def test_an_example_is_apt_where_the_prompt_is_about_it():
    example = re.search(r"<\(concept.*>", role("decompose")["template"]["user"])[0]
    apt = make_request("parts", prompt="A beaver rolls out dough on a table.", topic="rolling dough")
    assert read("parts", make_reply(example), apt)[0] == "ok"
    own = make_request("parts", prompt="A beaver rolls clay.", topic="rolling clay")
    assert read("parts", make_reply(example), own)[0] == "unparsed"


def test_an_instruction_may_show_a_mark_as_its_example():
    request = Request("judge", "e", "m", [{"role": "user", "content": "If it is nearly perfect, answer <4>"}])
    assert read("grade", make_reply("<4>"), request) == ("ok", "", 4.0)
    request = Request("judge", "e", "m", [{"role": "user", "content": "Answer <1>, <2>, <3>, <4> or <5>"}])
    assert read("grade", make_reply("<1>, <2>, <3>, <4> or <5>"), request)[0] == "unparsed"


@pytest.mark.parametrize("kind", ["prompt", "whole"])
def test_words_that_an_instruction_asks_for_are_no_echo(kind):
    asked = 'End it with: "in the style of a book for children".'
    request = Request(kind, "e", "m", [{"role": "user", "content": asked}], fields={"prompt": RECORD["prompt"]})
    text = "A dog plays ball on the grass, in the style of a book for children."
    assert read(kind, make_reply(text if kind == "whole" else f"<{text}>"), request) == ("ok", "", text)
    assert read(kind, make_reply(asked if kind == "whole" else f"<{asked}>"), request)[0] == "unparsed"


def test_brackets_of_the_prompt_are_no_instruction():
    request = make_request("prompt", prompt="A sign says <stop here>.")
    assert not repeats_instruction(request, "<stop here>", "stop here")
    assert read("prompt", make_reply("<A sign says stop here.>"), request)[0] == "ok"


@pytest.mark.parametrize(
    "piece",
    [
        *("<", ">", "<a>", "</a>", "<4>", "<a b>", "<think>", "</think>", "<|im_end|>", "<s>", "</s>", "[THINK]"),
        *("{", '{"', '{"a":', "[", '{"\\"', "{}", '{"score":4}', '{"a":"', "-", "=", " ", "\n", "<-", "<- ", "<-a>"),
        *("<a_", "a_", "9", "a", "(", "(a)+", '"', "'\"", "**", "```", "<|channel|>", "<point x=", "I'm sorry"),
        *("analysis", "assistantfinal", "Here is my response:", "<yes> or <no>", "<box>", "\\<", "&lt;", "1. ", "＜"),
        *("<answer> ", "``` ", "<answer>", "assistant ", "<|channel|>final ", "as an ai"),
    ],
)
def test_a_reply_of_any_length_is_read_in_linear_time(piece):
    """Sizes grow, so that what takes more than linear time fails before it takes for ever."""
    for count in (200, 2_000, 20_000):
        many = piece * count
        for text in (many, f'<(concept: x) = {many}</a>{{"score": {many}}}'):
            start = time.perf_counter()
            for kind in ("whole", "parts", "grade"):
                assert read(kind, make_reply(text))[0] in ("ok", "unparsed", "failed", "refused")
            reply_parsing.released_score(text)
            assert time.perf_counter() - start < SECONDS, f"{piece!r} * {count}"


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["( )", "< >", "<a> </a>", "<box> </box>", '{"a": }', "[ ]"])
def test_nesting_of_any_depth_is_read(pair):
    opened, closed = pair.split()
    text = f"<(concept: x) = {opened * 100_000}a{closed * 100_000}>"
    for kind in TEMPLATES:
        start = time.perf_counter()
        read(kind, make_reply(text))
        assert time.perf_counter() - start < SECONDS
