"""Judges of a study: what each is asked about, its scale and reading, and the metrics that it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass

# What a judge is asked about (`asks`).
PROMPT = "prompt"  # an image, with its prompt as a whole
PARTS = "parts"  # an image, with one question per interaction and entity of the decomposition
REMARKS = "remarks"  # the images before and after, with one question per remark of a critique
PAIRS = "pairs"  # two images of a prompt; those of scale pair
ASKS = (PROMPT, PARTS, REMARKS)  # values of the key; a judge of scale pair has none

GRADE, YES_NO, PAIR = "grade", "yes_no", "pair"  # values of `scale`
# How an answer becomes a number (`reading`): the answer itself, the mean of the grade under the model's token
# probabilities, or P(yes) / (P(yes) + P(no)).
SAMPLED, EXPECTED, P_YES = "sampled", "expected", "p_yes"
READINGS = {GRADE: (SAMPLED, EXPECTED), YES_NO: (SAMPLED, P_YES), PAIR: (SAMPLED, EXPECTED)}

DEFAULTS: dict = {"scenario_templates": {}, "reply": "brackets", "options": {}, "draws": 1}  # of keys of an entry
DEMO_MODEL = "miniature"  # of `image_models`
GEOMETRIC = "geometric"  # ends the name of the metric that is the geometric mean over parts


@dataclass(frozen=True)
class Judge:
    """An entry of `judges`.

    Attributes:
        name: Its name in the configuration.
        asks: PROMPT, PARTS, REMARKS or PAIRS.
        scale: GRADE, YES_NO or PAIR.
        reading: SAMPLED, EXPECTED or P_YES.
        entry: The entry itself.
    """

    name: str
    asks: str
    scale: str
    reading: str
    entry: dict

    @property
    def folder(self) -> str:
        """Folder of its rows below results/{scenario}/."""
        return {REMARKS: f"audits/{self.name}", PAIRS: f"pairs/{self.name}"}.get(self.asks, f"scores/judge-{self.name}")

    @property
    def metrics(self) -> list[str]:
        """Columns of the tables that its rows give: none for one that scores no image."""
        if self.asks == PROMPT:
            return [f"judge-{self.name}"]
        return [f"judge-{self.name}", f"judge-{self.name}-{GEOMETRIC}"] if self.asks == PARTS else []


def configured_judges(entries: Mapping[str, dict]) -> dict[str, Judge]:
    """The judges of a configuration by name, in its order."""
    judges = {}
    for name, entry in entries.items():
        asks = PAIRS if entry["scale"] == PAIR else entry.get("asks", PROMPT)
        judges[name] = Judge(name, asks, entry["scale"], entry.get("reading", SAMPLED), entry)
    return judges


def reading_parameters(judge: Judge) -> dict:
    """`{"reading": ...}` of a judge that reads probabilities; empty otherwise.

    Absent until it is used, so that a study without it keeps its parameter files.
    """
    return {} if judge.reading == SAMPLED else {"reading": judge.reading}


def names_of(judges: Mapping[str, Judge], asks: str) -> list[str]:
    """Names of the judges that are asked about one thing."""
    return [name for name, judge in judges.items() if judge.asks == asks]


def metrics_of(judges: Iterable[Judge]) -> list[str]:
    """Columns of the tables that the rows of judges give."""
    return [metric for judge in judges for metric in judge.metrics]


def scorer_of(metric: str, metrics: Collection[str]) -> str:
    """The metric whose rows hold a metric: itself, or the judge of parts whose geometric mean it is.

    Args:
        metrics: All of the study.
    """
    stem = metric.removesuffix(f"-{GEOMETRIC}")
    return stem if stem in metrics else metric


def fill_judges(config: dict) -> None:
    """Give judges the keys that they leave out (DEFAULTS), in place."""
    if isinstance(config.get("judges"), dict):  # the schema is checked afterwards
        for entry in config["judges"].values():
            if isinstance(entry, dict):
                entry.update({key: copy(value) for key, value in DEFAULTS.items() if key not in entry})


def without_demo_entries(config: dict) -> None:
    """Remove the judges that belong to studies of the demo models alone (`demo: true`) from any other, in place.

    So the demo can show every kind of judge, and a study that builds on the default configuration asks none that its
    own files do not name.
    """
    judges = config.get("judges")
    if config.get("image_model") != DEMO_MODEL and isinstance(judges, dict):  # the schema is checked afterwards
        of_demo = [name for name, entry in judges.items() if isinstance(entry, dict) and entry.get("demo")]
        config["judges"] = {name: entry for name, entry in judges.items() if name not in of_demo}
