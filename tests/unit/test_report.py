import math

import pandas as pd

from detailscribe.report import report
from detailscribe.tables import COLUMNS

HOSTILE = "<script>alert('x')</script> & \"quotes\" {{ 7 * 7 }} \u202eright to left"


def page(**changes) -> str:
    ok = {"status": "ok", "reason": ""}
    table = [["sd", "single", "clip_score", 1, 0.5, math.nan, math.nan, True]]
    values = {
        "scenario": "mine",
        "notice": "",
        "table": pd.DataFrame(table, columns=COLUMNS[:8]),
        "published": pd.DataFrame(),
        "figure": "../figures/main.svg",
        "dropped": pd.DataFrame(columns=["id", "topic", "stage", "image_set", "status", "reason"]),
        "prompts": [{"id": "a", "topic": HOSTILE, "prompt": HOSTILE}],
        "parts": {"a": {**ok, "components": [HOSTILE]}},
        "critiques": {"detailscribe": {"a": {**ok, "critique": HOSTILE, "refined_prompt": HOSTILE}}},
        "images": {"o1": {"a": {**ok, "file": "mine/images/o1/a.jpg", "prompt": HOSTILE}}},
        "scores": {("a", "o1", "clip_score"): 0.5},
        "cost": pd.DataFrame(),
    }
    return report(**values | changes)


def test_what_people_and_models_wrote_is_shown_as_text():
    text = page()
    assert "<script>" not in text and "49" not in text.split("</style>")[1]
    assert text.count("&lt;script&gt;") == 6
    assert 'src="../../mine/images/o1/a.jpg"' in text


def test_the_notice_stands_on_the_page_when_there_is_one():
    assert "Nothing here means anything." in page(notice="Nothing here means anything.")
    assert 'class="notice"' not in page()


def test_a_missing_image_shows_its_reason():
    row = {"status": "refused", "reason": "the model declined", "file": None, "prompt": None}
    assert "refused: the model declined" in page(images={"o1": {"a": row}}, scores={})
