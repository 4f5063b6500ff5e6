"""Validation of judges: scales that go with a reading, and names of critics and methods that must exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.errors import InputError, known_names
from detailscribe.study.judging.audited import audited_critics
from detailscribe.study.judging.judges import PAIR, PAIRS, PARTS, READINGS, REMARKS, YES_NO
from detailscribe.study.judging.probabilities import check_probabilities

if TYPE_CHECKING:
    from detailscribe.study.study import Study

# Keys that only one kind of judge reads.
KEYS_OF = dict.fromkeys(("critics", "control"), REMARKS)
KEYS_OF |= dict.fromkeys(("methods", "by", "schedule", "per_prompt"), PAIRS)


def check_judges(study: Study) -> None:
    """Check the judges of a study.

    Raises:
        InputError: names the key, the value and the remedy.
    """
    if twice := sorted({metric for metric in study.metrics if study.metrics.count(metric) > 1}):
        raise InputError(f"judges: two entries give the metric {twice[0]!r}; rename one")
    for name, judge in study.judging.items():
        place, entry = f"judges: {name}", judge.entry
        if judge.scale == PAIR and "asks" in entry:
            raise InputError(f"{place}: asks: a judge of scale pair is asked about pairs of images; remove the key")
        if judge.asks in (PARTS, REMARKS) and judge.scale != YES_NO:
            raise InputError(
                f"{place}: scale: {judge.scale!r}: each of its questions about {judge.asks} is answered yes or no; set "
                f"it to {YES_NO}"
            )
        if judge.reading not in READINGS[judge.scale]:
            allowed = " or ".join(READINGS[judge.scale])
            raise InputError(f"{place}: reading: {judge.reading!r} does not go with scale {judge.scale}; set {allowed}")
        check_probabilities(study, judge)
        for key in entry:
            if KEYS_OF.get(key, judge.asks) != judge.asks:
                raise InputError(f"{place}: {key}: only a judge that is asked about {KEYS_OF[key]} has it; remove it")
        for critic in entry.get("critics", []):
            if critic not in study.config["critics"]:
                known = known_names(critic, list(study.config["critics"]), "critics: ")
                raise InputError(f"{place}: critics: there is no critic {critic!r}; {known}")
        if judge.asks == REMARKS and not audited_critics(study, name) and not entry.get("demo"):
            raise InputError(
                f"{place}: asks: remarks: the study has no critic to check; add one to `critics`, or remove the judge"
            )
