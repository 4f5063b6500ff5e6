"""What the report tells of each prompt: its images with their scores, and what each method would show of it.

Pure functions of the rows that the stages wrote; `report.py` turns them into pages.
"""

import difflib
import re
from dataclasses import dataclass, field

PEOPLE = "people"  # the mean of the raters' marks, listed among the metrics


@dataclass(frozen=True)
class Scenario:
    """Everything that the stages know of a scenario's prompts.

    Attributes:
        prompts: Rows id, topic, prompt, in the order of the prompt file.
        parts: Decomposition rows by id.
        critiques: Rows by critic, by id.
        images: Manifest rows by image set, by id.
        scores: Score rows by metric, by (id, image set).
        words: What judges wrote, by judge, by (id, image set): one text a draw.
        ratings: Rows rater, id, image_set, rating; empty where nobody has rated.
        dropped: Rows id, stage, image_set, status, reason.
        methods: Rows of the tables: name, candidates, headline.
        critics: Image sets by critic.
    """

    name: str
    prompts: list[dict]
    parts: dict[str, dict]
    critiques: dict[str, dict[str, dict]]
    images: dict[str, dict[str, dict]]
    scores: dict[str, dict[tuple[str, str], dict]]
    words: dict[str, dict[tuple[str, str], list[str]]]
    ratings: list[dict]
    dropped: list[dict]
    methods: list[dict]
    critics: dict[str, list[str]]
    marks: dict[tuple[str, str], dict[str, float]] = field(init=False)  # rater's mark by (id, image set)

    def __post_init__(self):
        marks: dict[tuple[str, str], dict[str, float]] = {}
        for row in self.ratings:
            marks.setdefault((row["id"], row["image_set"]), {})[row["rater"]] = row["rating"]
        object.__setattr__(self, "marks", marks)

    @property
    def metrics(self) -> list[str]:
        """Metrics with scores, then people if anybody rated."""
        return [*self.scores, *([PEOPLE] if self.marks else [])]

    def score(self, metric: str, id: str, image_set: str) -> float | None:
        """The score of an image under a metric, or under `people`; None where there is none."""
        if metric == PEOPLE:
            marks = self.marks.get((id, image_set), {}).values()
            return sum(marks) / len(marks) if marks else None
        return self.scores[metric].get((id, image_set), {}).get("score")


def choice(scenario: Scenario, method: dict, metric: str, id: str) -> tuple[float | None, str | None]:
    """What a method shows of a prompt under a metric: the value of its headline selection, and the image chosen.

    The selections are those of the main table: single, oracle, mean (no image), by:{metric}. None where a candidate
    lacks a score that the selection needs.
    """
    names, headline = list(method["candidates"]), method["headline"]
    values = {name: scenario.score(metric, id, name) for name in names}
    if headline == "single":
        return values[names[0]], names[0]
    deciding = headline.removeprefix("by:") if headline.startswith("by:") else metric
    others = {name: scenario.score(deciding, id, name) for name in names}
    if None in values.values() or None in others.values():
        return None, None
    if headline == "mean":
        return sum(values.values()) / len(values), None
    best = max(names, key=others.__getitem__)
    return values[best], best


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """How one text became another, word by word.

    Returns:
        (kind, words) pieces in reading order; kind is same, gone or new.
    """
    old, new = (re.findall(r"\s*\S+", text) for text in (before, after))
    pieces = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(new[k:m])))
        else:
            pieces += [(name, "".join(words)) for name, words in (("gone", old[i:j]), ("new", new[k:m])) if words]
    return pieces


def pictures(scenario: Scenario, id: str) -> dict[str, dict]:
    """A prompt's manifest rows by image set, each with `scores` by metric."""
    return {
        name: {**rows[id], "scores": {metric: scenario.score(metric, id, name) for metric in scenario.metrics}}
        for name, rows in scenario.images.items()
    }


def favourite(scenario: Scenario, id: str) -> str | None:
    """The refined image that stands beside the first one: the first critic's, as its headline selection chooses by the
    first metric that can choose; else its first candidate with an image."""
    methods = {method["name"]: method for method in scenario.methods}
    for critic, candidates in scenario.critics.items():
        drawn = [name for name in candidates if scenario.images[name][id]["file"]]
        chosen = (choice(scenario, methods[critic], metric, id)[1] for metric in scenario.scores)
        if best := next((name for name in [*chosen, *drawn] if name in drawn), None):
            return best
    return None
