"""Which model was asked, which one answered, and until when it can be asked."""

import csv
import re
from datetime import date
from pathlib import Path

from detailscribe.errors import InputError

# What may follow the name that was asked: a date (2024-08-06, 20240806, 0806), a number (001), the tag of the newest.
SNAPSHOT = re.compile(r"[-:@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|main)")


def is_same_model(asked: str, served: str) -> bool:
    """Whether the model that answered is the one that was asked, or a dated snapshot of it."""
    asked, served = asked.removeprefix("models/"), served.removeprefix("models/")
    return asked == served or (served.startswith(asked) and bool(SNAPSHOT.fullmatch(served[len(asked) :])))


def not_the_model(asked: str, served: str, allowed: dict[str, list[str]]) -> str:
    """Why an answer is not to be taken for the asked model's; empty where it is, or the config allows it.

    Args:
        allowed: By model asked: models that may answer in its place.
    """
    if not served or is_same_model(asked, served) or served in allowed.get(asked, ()):
        return ""
    return (
        f"answered as {served!r} where {asked!r} was asked; name that model in the config, "
        f"or allow it: `preflight: {{allow_served: {{{asked}: [{served}]}}}}`"
    )


def read_retirements(path: Path) -> dict[str, date]:
    """The last day of each model of the table `model, retires, source`, tab-separated.

    Raises:
        InputError: a line has no date.
    """
    found = {}
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            try:
                found[row["model"]] = date.fromisoformat(row["retires"])
            except (KeyError, TypeError, ValueError):
                raise InputError(f"{path}, line {number}: it must be model, retires (YYYY-MM-DD), source") from None
    return found
