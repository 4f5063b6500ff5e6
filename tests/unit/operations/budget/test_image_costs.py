"""Costs of images: measured and estimated seconds."""

import pytest

from detailscribe.files.ledger import Ledger
from detailscribe.images.seconds import LEDGERS
from detailscribe.operations.budget.image_costs import image_costs

OK = {"status": "ok", "reason": "", "exchange": None}


@pytest.mark.parametrize(
    ("measured", "seconds"),
    [
        # id: (seconds, first); a is carried, b to d are drawn
        ({"b": (2.0, False), "c": (4.0, False), "d": (6.0, False)}, {"a": 0, "b": 2.0, "c": 4.0, "d": 6.0}),
        ({"b": (90.0, True), "c": (4.0, False), "d": (6.0, False)}, {"a": 0, "b": 5.0, "c": 4.0, "d": 6.0}),
        ({"c": (4.0, False)}, {"a": 0, "b": 4.0, "c": 4.0, "d": 4.0}),  # others were drawn by an earlier version
        ({"b": (90.0, True)}, {"a": 0, "b": 90.0, "c": 90.0, "d": 90.0}),  # nothing else is known
        ({}, {"a": 0, "b": None, "c": None, "d": None}),  # unknown, never zero
        ({"x": (1.0, False)}, {"a": 0, "b": None, "c": None, "d": None}),  # of another prompt
    ],
)
def test_seconds_are_measured_or_the_mean_of_the_set_or_unknown(tmp_path, measured, seconds):
    rows = {id: OK | {"key": f"key of {id}"} for id in "abcd"}
    rows["a"]["carried"] = True
    rows["e"] = {"status": "skipped", "key": None}
    ledger = Ledger(tmp_path / LEDGERS / "s" / "000-of-001.jsonl")
    for id, (value, first) in measured.items():
        row = {"id": id, "key": f"key of {id}", "seconds": value, "steps": 28, "images": 1}
        ledger.add(row | {"processor": "card", "first": first})
        ledger.add(row | {"key": "of another time", "seconds": 1000.0, "processor": "card", "first": first})
    costs = image_costs(tmp_path, "s", "here", rows)
    assert {id: cost.seconds for id, cost in costs.items()} == seconds
    assert {id for id, cost in costs.items() if cost.processor} == set(measured) & set("bcd")
    assert [id for id, cost in costs.items() if not cost.made] == ["a"]


def test_a_hosted_image_takes_no_gpu_here_and_an_imported_one_an_unknown_time(tmp_path):
    rows = {"a": OK | {"key": None, "exchange": "0" * 64}}
    assert image_costs(tmp_path, "s", "endpoint", rows)["a"].seconds == 0
    assert image_costs(tmp_path, "s", "endpoint", rows)["a"].exchange == "0" * 64
    assert image_costs(tmp_path, "s", "elsewhere", rows)["a"].seconds is None
