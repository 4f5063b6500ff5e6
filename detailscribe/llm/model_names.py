"""Model names: whether the served model is the requested one, and retirement dates."""

import csv
import re
from datetime import date
from pathlib import Path

from detailscribe.errors import InputError

# Allowed suffix of the requested name: a date (2024-08-06, 20240806, 0806), a number (001), the tag of the newest.
SNAPSHOT = re.compile(r"[-:@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3}|latest|main)")


def is_same_model(requested: str, served: str) -> bool:
    """Whether the served model is the requested one, or a dated snapshot of it."""
    requested, served = requested.removeprefix("models/"), served.removeprefix("models/")
    if not served.startswith(requested):
        return False
    return requested == served or bool(SNAPSHOT.fullmatch(served[len(requested) :]))


def model_mismatch(requested: str, served: str, allowed: dict[str, list[str]]) -> str:
    """Why an answer does not count as the requested model's; empty if it does, or if the config allows it.

    Args:
        allowed: Per requested model, the models that may answer in its place.
    """
    if not served or is_same_model(requested, served) or served in allowed.get(requested, ()):
        return ""
    return (
        f"answered as {served!r}, but {requested!r} was requested; name that model in the config, "
        f"or allow it: `preflight: {{allow_served: {{{requested}: [{served}]}}}}`"
    )


def read_retirements(path: Path) -> dict[tuple[str, str], date]:
    """Last day of each model, by host and model, in a tab-separated table `model, retires, host, source`.

    Open weights, which have a `licence` and no day, are not among them: who has them keeps them. Another host may serve
    a model of the same name for longer, or another model under that name.

    Raises:
        InputError: a line has no date or no host.
    """
    retirements = {}
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), 2):
            if row.get("licence") and not row.get("retires"):
                continue
            try:
                retirements[row["host"], row["model"]] = date.fromisoformat(row["retires"])
            except (KeyError, TypeError, ValueError):
                columns = "model, retires (YYYY-MM-DD), host, source"
                raise InputError(f"{path}, line {number}: it must be {columns}") from None
    return retirements
