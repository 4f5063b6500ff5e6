"""Answers of the offline stand-in about two images: the better grade wins, and equal grades are a tie."""

import json
from collections.abc import Sequence

CLEARLY = 2  # grades apart, from which on one image is clearly better


def pair_mark(first: int, second: int) -> int:
    """The mark of two grades: from 1 (the first is clearly better) to 5 (the second is)."""
    return 3 + max(-CLEARLY, min(CLEARLY, second - first))


def answer_pair(grades: Sequence[int], structured: bool = False) -> str:
    """A mark from 1 (the first is clearly better) to 5 (the second is), whichever is shown first.

    Args:
        grades: Of the first and the second image, from 1 to 5.
        structured: Whether the answer is a JSON object with `reason` and `score`.
    """
    first, second = grades
    score = pair_mark(first, second)
    reason = f"By what is to be seen, the first deserves {first} of 5 and the second {second} of 5."
    return json.dumps({"reason": reason, "score": score}) if structured else f"{reason} <{score}>"
