"""Echoes of an example: decompositions whose components are those of the instruction, in a table by prompt."""

import pytest

from detailscribe.llm.request import Request
from detailscribe.methods.instruction_echo import repeats_instruction
from detailscribe.methods.reply_parsing import parse_decomposition
from detailscribe.methods.roles import request_for
from tests.chat_replies import role

HOLDS, PRESSES, LIES = "paw holds rolling pin", "rolling pin presses dough", "dough lies on table"  # the example's
CLAY = "play", "A beaver plays with clay."
DOUGH = "roll_out_dough", "A beaver rolls out dough on a table."
PIN = "juggling", "A bear juggles; one paw is holding a rolling pin."
TABLE = "sleep", "The dough lies on a table, and a cat sleeps."


def decompose_request(topic: str, prompt: str) -> Request:
    """The request about one prompt, with the template of the project."""
    record = {"id": f"{topic}-1", "topic": topic, "prompt": prompt}
    return request_for("decompose", role("decompose"), record, {"topic": topic, "prompt": prompt})


@pytest.mark.parametrize(
    ("about", "components", "is_echo"),
    [
        (CLAY, [HOLDS, PRESSES, LIES], True),
        (CLAY, [LIES, HOLDS, PRESSES], True),
        (CLAY, [HOLDS], True),
        (CLAY, [PRESSES], True),
        (CLAY, [LIES], True),
        (CLAY, [HOLDS, LIES], True),
        (CLAY, [HOLDS, HOLDS], True),
        (CLAY, [HOLDS, PRESSES, LIES, HOLDS, PRESSES, LIES], True),
        (CLAY, ["Paw holds rolling-pin.", "rolling pin presses 'dough'", "dough  lies on table;"], True),
        (CLAY, [f"({HOLDS}) + ({PRESSES})"], True),
        (CLAY, ["pin presses dough", LIES], True),
        (CLAY, [HOLDS, "paw touches clay"], False),
        (CLAY, ["paw touches clay", "clay lies on table"], False),
        (CLAY, ["paw holds clay", "clay lies on grass", LIES], False),
        (CLAY, ["paw holds rolling pin loosely"], False),
        (CLAY, ["pin holds rolling paw"], False),
        (DOUGH, [HOLDS, PRESSES, LIES], False),
        (DOUGH, [PRESSES, HOLDS], False),
        (PIN, [HOLDS], False),
        (PIN, [HOLDS, PRESSES, LIES], True),
        (PIN, [PRESSES], True),
        (TABLE, [LIES], False),
        (TABLE, [LIES, HOLDS], True),
    ],
)  # fmt: skip
def test_only_components_of_the_example_are_an_echo(about, components, is_echo):
    sides = f"(concept: play) = {' + '.join(f'({each})' for each in components)}"
    decomposition = parse_decomposition(f"<{sides}>")
    assert decomposition is not None
    assert repeats_instruction(decompose_request(*about), f"<{sides}>", decomposition) is is_echo


@pytest.mark.parametrize(
    ("example", "answer", "is_echo"),
    [
        ("<(concept: x) = (a) + (b) + ...>", "<(concept: x) = (a) + (b)>", True),
        ("<(concept: x) = (a) + (b) + ...>", "<(concept: play) = (a)>", True),
        ("<(concept) = (a touches b)>", "<(concept: play) = (a touches b)>", True),
        ("<(concept：x)＝（paw on pin）＋（pin on dough）>", "<(concept: x) = (pin on dough)>", True),
        ("<(concept: r) = (paw at pin)> or <(concept: eat) = (fork on pie)>", "<(concept: x) = (fork on pie)>", True),
        (f"<(concept: roll) = (paw on pin) + ({'very ' * 200}long)>", "<(concept: play) = (paw on pin)>", True),
        ("<(concept: play) = (paw on clay)>", "<(concept: play) = (paw on clay)>", False),
        ("<(concept: r) = (paw on pin)> or <(concept: play) = (paw on pin)>", "<(concept: x) = (paw on pin)>", False),
        ("<(concept: x) = (a) + (b)>", "<(concept: play) = (paw on clay)>", False),
        ("no example", "<(concept: play) = (paw on clay)>", False),
    ],
)  # fmt: skip
def test_an_example_of_any_form_is_found(example, answer, is_echo):
    topic, prompt = CLAY
    fields = {"id": "play-1", "topic": topic, "prompt": prompt}
    messages = [{"role": "user", "content": f"Prompt: {prompt}\nAnswer in the form {example}."}]
    request = Request("decompose", "e", "m", messages, fields=fields)
    assert repeats_instruction(request, answer, parse_decomposition(answer)) is is_echo
