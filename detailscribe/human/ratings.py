"""Ratings parsed from filled sheets, with the missing ones and the defects."""

from collections.abc import Iterable
from typing import NamedTuple

from detailscribe.errors import InputError

INVALID_RATING = "a rating is a whole number from 1 to 5, got {!r}"


class ParsedRatings(NamedTuple):
    """Content of one or several filled sheets.

    Attributes:
        ratings: Rows rater, id, image_set, rating, file.
        missing: Cells or lines without a rating.
        defects: Errors, each with its file and cell or line.
    """

    ratings: list[dict]
    missing: list[str]
    defects: list[str]


def merge_ratings(parts: Iterable[ParsedRatings]) -> ParsedRatings:
    """The content of several sheets, in the order given."""
    merged = ParsedRatings([], [], [])
    for part in parts:
        merged.ratings.extend(part.ratings)
        merged.missing.extend(part.missing)
        merged.defects.extend(part.defects)
    return merged


def require_no_defects(parsed: ParsedRatings, source: str) -> None:
    """Check that the sheets can be used.

    Raises:
        InputError: there are defects; the message lists all of them.
    """
    if parsed.defects:
        count = len(parsed.defects)
        raise InputError("\n".join([f"{count} defects in the {source}; fix them and run again", *parsed.defects]))
