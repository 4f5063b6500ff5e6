"""Parsed ratings: merged, and refused with all their defects."""

import pytest

from detailscribe.errors import InputError
from detailscribe.human.ratings import ParsedRatings, merge_ratings, require_no_defects


def test_all_defects_of_all_sheets_are_listed():
    parts = [ParsedRatings([{"id": "a"}], ["cell 1"], []), ParsedRatings([], ["cell 2"], ["defect 1", "defect 2"])]
    merged = merge_ratings(parts)
    assert merged == ([{"id": "a"}], ["cell 1", "cell 2"], ["defect 1", "defect 2"])
    require_no_defects(parts[0], "workbooks")
    with pytest.raises(InputError) as error:
        require_no_defects(merged, "workbooks")
    assert str(error.value).splitlines() == [
        "2 defects in the workbooks; fix them and run again",
        "defect 1",
        "defect 2",
    ]
