"""Remarks of critiques, in the forms of several families of models."""

from pathlib import Path

import pytest
import yaml

from detailscribe.scores.judges.remarks import remarks_of

CASES = yaml.safe_load(Path(__file__).with_name("critique_replies.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_remarks_are_the_numbered_faults(case):
    assert remarks_of(case["reply"], case.get("refined_prompt")) == case["remarks"]


def test_no_reply_has_no_remarks():
    assert remarks_of(None) == []
