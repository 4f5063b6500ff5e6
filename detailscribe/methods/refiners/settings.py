"""Checks of refiners' settings, as an entry of the config is read, and seeds that need no setting; not a refiner.

Each check raises one `InputError`, to which the caller adds the entry: `refiners: sdedit: strengths must be ...`.
"""

from collections.abc import Sequence

from detailscribe.engines.acceleration.options import SD3
from detailscribe.errors import InputError
from detailscribe.files.digests import digest
from detailscribe.study.refinements import RefinerEntry

SEED_DIGITS = 12  # hexadecimal: 48 bits, which every reader of JSON holds exactly


def derived_seed(*parts: str | int) -> int:
    """A seed from 0 to 2^48 - 1, decided by the parts alone: the first digits of their digest."""
    return int(digest(list(parts))[:SEED_DIGITS], 16)


def whole_number(entry: RefinerEntry, key: str, lowest: int, highest: int) -> int:
    """A setting that is a whole number from `lowest` to `highest`."""
    value = entry.settings[key]
    if type(value) is not int or not lowest <= value <= highest:
        raise InputError(f"{key} must be a whole number from {lowest} to {highest}, got {value!r}")
    return value


def verifier(entry: RefinerEntry) -> str:
    """The metric or judge that selects; the study checks that it exists."""
    value = entry.settings["verifier"]
    if not isinstance(value, str) or not value:
        raise InputError(
            f"verifier must be a metric or a judge (judge-NAME), which selects the best image, got {value!r}"
        )
    return value


def values_of(entry: RefinerEntry, key: str, kind: str) -> list:
    """A setting that is a list with at least one value, and none twice."""
    values = entry.settings[key]
    if not isinstance(values, list) or not values:
        raise InputError(f"{key} must be a list of {kind}, got {values!r}")
    if twice := [value for number, value in enumerate(values) if value in values[:number]]:
        raise InputError(f"{key} has {twice[0]!r} twice; remove one")
    return values


def needs_text(entry: RefinerEntry) -> None:
    """Refuse an entry without `text`, which would draw its images a second time."""
    if not entry.text:
        raise InputError(
            f"{entry.refiner} needs `text`, a critic or rewriter whose refined prompts it draws; add it, or the same "
            "images are drawn again"
        )


def needs_sd3(entry: RefinerEntry, what: str) -> None:
    """Refuse an image model that cannot do `what`, which Stable Diffusion 3 alone can here."""
    if entry.pipeline not in ("", SD3):
        raise InputError(
            f"{entry.refiner} {what}, which only a {SD3} can here, and image_model is a {entry.pipeline}; name another "
            "image_model in the entry"
        )


def one_of(entry: RefinerEntry, keys: Sequence[str]) -> str:
    """Which of some settings is given; exactly one must be."""
    given = [key for key in keys if entry.settings[key] is not None]
    if len(given) != 1:
        raise InputError(f"give one of {' and '.join(keys)}, not {' and '.join(given) or 'none'}")
    return given[0]
