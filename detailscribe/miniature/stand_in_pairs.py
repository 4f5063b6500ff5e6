"""Answers of the offline stand-in about two images: the better grade wins, and equal grades are a tie."""

import json
from collections.abc import Sequence

CLEARLY = 2  # grades apart, from which on one image is clearly better


def answer_pair(grades: Sequence[int], structured: bool = False) -> str:
    """A mark from 1 (the first is clearly better) to 5 (the second is), whichever is shown first.

    Args:
        grades: Of the first and the second image, from 1 to 5.
        structured: Whether the answer is a JSON object with `reason` and `score`.
    """
    first, second = grades
    step = min(CLEARLY, abs(first - second)) * (1 if second > first else -1)
    reason = f"By what is to be seen, the first deserves {first} of 5 and the second {second} of 5."
    return json.dumps({"reason": reason, "score": 3 + step}) if structured else f"{reason} <{3 + step}>"
