"""Parsers of model replies: good, cut, refused and unreadable ones."""

import pytest

from detailscribe.methods import reply_parsing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Issues ...\n<A fox kneads dough.>", "A fox kneads dough."),
        ("<a draft> and then <the answer>", "the answer"),
        ("< A fox\n  kneads dough. >\nDone.", "A fox kneads dough."),
        ('<"A fox kneads dough.">', "A fox kneads dough."),
        ("<“A fox kneads dough.”>", "A fox kneads dough."),
        ('<"Stop" says the sign "Go">', '"Stop" says the sign "Go"'),
        ("<A fox <in the snow> kneads>", "A fox in the snow kneads"),
        ("less than 70 words, x < 70: <A fox> (word count < 70)", "A fox"),
        ("paw -> pin: <A fox> => done", "A fox"),
        ("<description>A fox</description>", "A fox"),
        ("<think>maybe <a cat></think><A fox>", "A fox"),
        ("maybe <a cat></think><A fox>", "A fox"),
        ("<A fox><br>", "A fox"),
        ("<Лиса месит тесто>", "Лиса месит тесто"),
        ("no brackets", None),
        ("", None),
        ("<>", None),
        ("< ... >", None),
        ("<A fox kneads", None),
        ("<a draft> and finally <A fox kneads and then the limit", None),
        ("<think>I would say <a cat></think>", None),
    ],
)
def test_last_brackets(text, expected):
    assert reply_parsing.last_brackets(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("So: <(concept: roll) = (paw holds pin) + (pin on dough)>", ("roll", ["paw holds pin", "pin on dough"])),
        ("<(concept:x)=(a)+(b)+(c)>", ("x", ["a", "b", "c"])),
        ("<\n( concept : tie knot )\n=\n(paw holds rope)\n+ (b)\n>", ("tie knot", ["paw holds rope", "b"])),
        ("<(concept: x) = (paw (left) holds pin) + (b)>", ("x", ["paw (left) holds pin", "b"])),
        ("<(concept: x) = (a) (b) + (c)>", ("x", ["(a) (b)", "c"])),
        ("<concept: x = a + b>", ("x", ["a", "b"])),
        ("<(concept: x) = (a + b) + (c)>", ("x", ["a + b", "c"])),
        ("<(concept: x) = (a)> or rather <(concept: y) = (b)>", ("y", ["b"])),
        ("<(concept: x) = (a + (b)>", None),
        ("<(concept: x) = >", None),
        ("<(concept: ) = (a)>", None),
        ("<(concept: x) (a) + (b)>", None),
        ("<(x) = (a) + (b)>", None),
        ("(concept: x) = (a) + (b)", None),
        ("<(concept: x) = (a) + ()>", None),
        ("I'm sorry, but I can't assist with that.", None),
    ],
)  # fmt: skip
def test_components(text, expected):
    assert reply_parsing.parse_decomposition(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, but I can’t help with that.",
        "I cannot assist with this.",
        "Unfortunately, I am unable to describe this picture.",
        "As an AI language model, I cannot view images.",
        "Sorry, this goes against my guidelines.",
        "I apologize, but no.",
        "**I won't write that.**",
        "<think>The user wants ...</think>\nI'm sorry, but I can't do that.",
    ],
)
def test_refusals_are_recognised(text):
    assert reply_parsing.is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "A fox says: I'm sorry, but I can't help you.",
        "A sorry fox kneads dough.",
        "Sorry-looking foxes knead dough.",
        "I can't help but see three faults.",
        "",
        "I'm sorry, but the picture is odd. " + "The paw floats above the pin. " * 20,
    ],
)
def test_other_replies_are_no_refusals(text):
    assert not reply_parsing.is_refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good. <4>", 4.0),
        ("<3.5>", 3.5),
        ("<1> would be harsh: <5>", 5.0),
        ("<4/5>", 4.0),
        ("<4 out of 5>", 4.0),
        ("<score: 2>", 2.0),
        ("<score>2</score>", 2.0),
        ('{"score": 4, "why": "fine"}', 4.0),
        ('```json\n{"why": "fine", "score": 3}\n```', 3.0),
        ('{"score": 1} {"score": 2}', 2.0),
        ("<0>", None),
        ("<6>", None),
        ("<-3>", None),
        ("<5.1>", None),
        ("<four>", None),
        ("<4 or 5>", None),
        ("<grade>", None),
        ("4", None),
        ("The score is 4.", None),
        ('{"score": true}', None),
        ('{"score": null}', None),
        ('{"score": "high"}', None),
        ('{"score": NaN}', None),
        ('{"score": [4]}', None),
        ('{"grade": 4}', None),
        ("{score: 4}", None),
        ("", None),
    ],
)
def test_judge_score(text, expected):
    assert reply_parsing.judge_score(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" A fox.\n", "A fox."), ("<think>hm</think>\n\nA fox.", "A fox."), ("  \n", None), ("<think>hm</think>", None)],
)
def test_whole(text, expected):
    assert reply_parsing.whole_text(text) == expected


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("All is there. <yes>", 1.0),
        ("<no>", 0.0),
        ("<Yes!>", 1.0),
        ('{"score": "no", "reason": "a {b}"}', 0.0),
        ("yes", None),
        ("<4>", None),
        ("<yes and no>", None),
        ("", None),
    ],
)
def test_yes_and_no_are_read_from_brackets_and_json(text, score):
    assert reply_parsing.yes_or_no(text) == score


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The first is sharper. <1>", 1.0),
        ("<2>", 0.5),
        ("< 3 >", 0.0),
        ("<4.>", -0.5),
        ("<5> or rather <4>", -0.5),  # the last one
        ("<answer: 5>", -1.0),
        ("<2 - the first, slightly>", 0.5),
        ("<3: neither is better>", 0.0),
        ('{"reason": "<1> for the hand", "score": 4}', -0.5),
        ('{"score": 5.0}', -1.0),
        ('{"score": "2"}', 0.5),
        ("<think><1>?</think><5>", -1.0),
        ('{"score": true}', None),
        ('{"score": 2.5}', None),
        ("<2.5>", None),
        ("<0>", None),
        ("<6>", None),
        ("<1 or 2>", None),
        ("<1-2>", None),
        ("<3/5>", None),  # a grade of one image, not a choice
        ("<first>", None),
        ("<number>", None),
        ("1", None),
        ("", None),
    ],
)
def test_pair_value(text, value):
    assert reply_parsing.pair_value(text) == value


def test_the_marks_of_a_pair_are_symmetric_and_each_is_read():
    values = list(reply_parsing.PAIR_MARKS.values())
    assert values == [-value for value in reversed(values)]
    assert [reply_parsing.pair_value(f"<{mark}>") for mark in reply_parsing.PAIR_MARKS] == values
