"""Requests that the small vision-language model answers, and how it is asked; as a judge it declines all others."""

import pytest

from detailscribe.llm.request import Request
from detailscribe.miniature.vlm.requests import MODEL, declines, question_for
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.facts import fact_phrases, fact_sentences

PROMPT = "A cat holding a guitar on the beach."
PARTS = fact_phrases(parse_prompt(PROMPT))
REFINED = " ".join([PROMPT, *fact_sentences(parse_prompt(PROMPT))[:2]])
OTHER = "A beaver cuts a log."
PARTLY = f"{PROMPT} A whale swims by."
WITH_PARTS = f"critique: {PROMPT} parts: {'; '.join(PARTS)}"


def question(role: str, model: str = MODEL, **fields) -> str | None:
    request = Request(role, "offline", model, [{"role": "user", "content": "x"}], fields=fields)
    asked = question_for(request)
    assert declines(request) is (asked is None and model == MODEL and role.startswith("judge"))
    return asked


@pytest.mark.parametrize(
    ("role", "fields", "asked"),
    [
        ("critique", {"prompt": PROMPT, "components": list(PARTS)}, WITH_PARTS),
        ("critique", {"prompt": PROMPT}, f"critique: {PROMPT}"),
        ("critique", {"prompt": PROMPT, "components": []}, f"critique: {PROMPT}"),
        ("critique", {"prompt": PROMPT, "components": None}, f"critique: {PROMPT}"),
        ("judge", {"prompt": PROMPT}, f"mark: {PROMPT}"),
        ("judge", {"prompt": PROMPT, "scale": "grade", "structured": False}, f"mark: {PROMPT}"),
        ("judge_pair", {"prompt": PROMPT}, f"compare: {PROMPT}"),
        *(("judge_part", {"prompt": PROMPT, "part": part}, f"part: {part}") for part in PARTS),
        ("judge_part", {"prompt": OTHER, "part": "a cat on the left"}, "part: a cat on the left"),
    ],
)
def test_it_is_asked_in_its_own_words(role, fields, asked):
    assert question(role, **fields) == asked
    assert question(role, structured=True, **{name: fields[name] for name in fields if name != "structured"}) is None
    for model in ("offline-stand-in", "miniature-vlm-1", "planted-critic-80", ""):
        assert question(role, model, **fields) is None


@pytest.mark.parametrize(
    "prompt",
    [OTHER, PARTLY, REFINED, PROMPT.removesuffix("."), f"{PROMPT}.", "A cat and a guitar.", "A dog riding a cat.", ""],
)
@pytest.mark.parametrize("role", ["critique", "judge", "judge_pair"])
def test_it_reads_one_sentence_of_its_world(role, prompt):
    assert question(role, prompt=prompt) is None


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("judge", {"prompt": PROMPT, "scale": "yes_no"}),
        ("judge_part", {"prompt": PROMPT, "part": "paw holds rolling pin"}),
        ("judge_part", {"prompt": PROMPT, "part": "a whale"}),
        ("judge_remark", {"prompt": PROMPT, "remark": "a cat: not in the image; to be shown clearly."}),
        *((role, {"prompt": PROMPT, "topic": "t"}) for role in ("decompose", "refine", "rewrite", "write_prompts")),
    ],
)
def test_other_tasks_are_not_its_own(role, fields):
    assert question(role, **fields) is None
