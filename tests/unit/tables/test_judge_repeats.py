"""Self-agreement of a judge, worked by hand."""

import pytest

from detailscribe.tables.judge_repeats import judge_repeats


def test_self_agreement_of_a_judge_worked_by_hand():
    def row(image_set, *draws):
        return {"image_set": image_set, "draws": list(draws)}

    rows = [row("x", 3.0, 5.0), row("x", 4.0, 4.0), row("y", 2.0, None), row("y")]
    table = judge_repeats({"judge-main": rows, "judge-none": []})
    # Worked by hand: standard deviations of (3, 5) and (4, 4) are 2 ** 0.5 and 0.
    assert table[0] == {
        "judge": "judge-main", "image_set": "all", "images": 3, "draws": 6, "unreadable": 1,
        "mean_sd": pytest.approx(2**0.5 / 2), "same_share": 0.5,
    }  # fmt: skip
    assert [list(row.values())[1:5] for row in table[1:3]] == [["x", 2, 4, 0], ["y", 1, 2, 1]]
    assert (table[2]["mean_sd"], table[2]["same_share"]) == (None, None)
    assert table[3]["images"] == 0
