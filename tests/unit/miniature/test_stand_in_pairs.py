"""The stand-in's choice between two images: by their grades alone, whichever is shown first."""

import json

import pytest
from PIL import Image

from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import pair_value
from detailscribe.miniature.stand_in import answer_text, grade_image
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.miniature.stand_in_pairs import answer_pair

PROMPT = "A fox holding a ball on the beach."


@pytest.mark.parametrize(
    ("first", "second", "value"), [(5, 1, 1), (4, 2, 1), (3, 2, 0.5), (2, 2, 0), (4, 5, -0.5), (1, 5, -1)]
)
@pytest.mark.parametrize("structured", [False, True])
def test_the_better_grade_wins(first, second, value, structured):
    reply, swapped = answer_pair([first, second], structured), answer_pair([second, first], structured)
    assert (pair_value(reply), pair_value(swapped)) == (value, -value)
    if structured:
        assert set(json.loads(reply)) == {"reason", "score"}


def test_a_request_is_answered_from_its_two_images(tmp_path):
    paths = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in paths:
        path.write_bytes(placeholder_png(path.name))
    grades = [grade_image(PROMPT, Image.open(path))[0] for path in paths]
    fields = {"prompt": PROMPT, "topic": "hold ball", "structured": False}
    request = Request("judge_pair", "offline", "m", [{"role": "user", "content": ""}], tuple(paths), fields=fields)
    assert answer_text(request) == answer_pair(grades)
