import hashlib

import pytest

from detailscribe.capsule.check.same import difference

OWN = hashlib.sha256(b"asked at gpu7 twice\n").hexdigest()
CASES = {
    "the same": (b"a\n1\n", b"a\n1\n", "", ""),
    "another value": (b"a\n1\n", b"a\n2\n", "", "line 2: 2 in the capsule, 1 made from it"),
    "a line less": (b"a\n", b"a\n1\n", "", "line 2: 1 in the capsule,  made from it"),
    "the study's own file": (b"asked at gpu7 twice\n", b"asked at [withheld] twice\n", OWN, ""),
    "a withheld word": (b"asked at gpu8 twice\n", b"asked at [withheld] twice\n", OWN, ""),
    "withheld on both sides": (b"asked at [withheld] twice\n", b"asked at gpu7 twice\n", OWN, ""),
    "withheld, and another word": (b"asked at gpu8 once\n", b"asked at [withheld] twice\n", OWN, "line 1: "),
    "withheld, in a file without such words": (b"at gpu8\n", b"at [withheld]\n", "", "line 1: at [withheld]"),
    "a figure": (b"\x89PNG\x00", b"\x89PNG\x01", "", "line 1: "),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_difference_is_named_and_withheld_words_are_none(case):
    made, sealed, own, words = CASES[case]
    said = difference(made, sealed, own)
    assert (said == "") if not words else said.startswith(words)


def test_a_long_line_is_shown_where_it_differs():
    said = difference(b"x" * 5000 + b"new" + b"y" * 5000, b"x" * 5000 + b"old" + b"y" * 5000)
    assert "old" in said and "new" in said and len(said) < 500
