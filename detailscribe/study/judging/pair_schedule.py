"""Schedule of pairs: which methods a judge compares, and which two of them for a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.study.methods import PAPER_ROWS, Method

if TYPE_CHECKING:
    from detailscribe.study.study import Study

BASELINE, BALANCED, ALL = "baseline", "balanced", "all"  # values of `schedule`


def compared_methods(study: Study, judge: str) -> list[Method]:
    """The methods that a judge of pairs compares, in the order of its list or of the paper's main table."""
    rows = {method.name: method for method in study.methods()}
    names = study.judging[judge].entry.get("methods") or [name for name in PAPER_ROWS if name in rows]
    return [rows[name] for name in names]


def selector_of_pairs(study: Study, judge: str) -> str:
    """The metric that selects among the images of a method with several; empty if no compared method has several."""
    several = any(len(method.candidates) > 1 for method in compared_methods(study, judge))
    return study.judging[judge].entry.get("by", study.config["seed_selector"]) if several else ""


def images_of_pairs(study: Study, judge: str) -> list[str]:
    """Image sets and selections whose images a judge of pairs may see."""
    methods = compared_methods(study, judge)
    return list(dict.fromkeys(name for each in methods for name in (each.candidates or (each.name,))))
