"""Parsed ratings: what a rater says of an image, merged, and refused with all their defects."""

import pytest

from detailscribe.errors import InputError
from detailscribe.human.ratings import ParsedRatings, merge_ratings, no_ratings, require_no_defects


def test_all_defects_of_all_sheets_are_listed():
    parts = [
        ParsedRatings([{"id": "a"}], ["cell 1"], [], [{"id": "b"}]),
        ParsedRatings([], ["cell 2"], ["defect 1", "defect 2"], [{"id": "c"}]),
    ]
    merged = merge_ratings(parts)
    assert merged == ([{"id": "a"}], ["cell 1", "cell 2"], ["defect 1", "defect 2"], [{"id": "b"}, {"id": "c"}])
    require_no_defects(parts[0], "workbooks")
    with pytest.raises(InputError) as error:
        require_no_defects(merged, "workbooks")
    assert str(error.value).splitlines() == [
        "2 defects in the workbooks; fix them and run again",
        "defect 1",
        "defect 2",
    ]


PLACE = [
    {"rater": "ann", "id": "p-1", "image_set": name, "file": f"{name}.jpg", "sheet": "1 to 1", "row": 2, "column": "E"}
    for name in ("sd", "multi_seed")
]
ANSWERS = {
    # cells: rating, whether the rater left it out, defect, whether it cannot be judged, comment
    (4, None, None): (4, False, "", None, None),
    ("4,0", "no", " a\nb "): (4, False, "", False, "a b"),
    (None, "Yes", None): (None, False, "", True, ""),
    ("", " \uff38", "=SUM(A1)"): (None, False, "", True, "'=SUM(A1)"),  # a full-width X
    (None, None, None): (None, True, "", False, ""),
    (" ", False, "no idea"): (None, True, "", False, "no idea"),
    (6, None, None): (None, False, "a rating is a whole number from 1 to 5, got 6", None, None),
    (None, "maybe", None): (None, False, "'cannot judge' is yes or empty, got 'maybe'", None, None),
    (3, True, None): (None, False, "a rating of 3, and 'cannot judge'; empty one of the two cells", None, None),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_counts_for_every_image_set_of_its_place(answer):
    rating, is_missing, defect, cannot, comment = ANSWERS[answer]
    parsed = no_ratings()
    parsed.add_answer(PLACE, "x.csv, line 2", answer)
    assert parsed.missing == ["x.csv, line 2"] * is_missing
    assert parsed.defects == [f"x.csv, line 2: {defect}"] * bool(defect)
    kept = [{name: row[name] for name in ("rater", "id", "image_set", "file")} | {"shown_as": "sd"} for row in PLACE]
    assert parsed.ratings == [{**row, "rating": rating} for row in kept if rating]
    noted = {"rating": rating, "cannot_judge": cannot, "comment": comment}
    assert parsed.notes == ([] if comment is None else [{**row, **noted} for row in kept])
