"""Labels on the pages: what people read in place of the names of methods, metrics, image sets and selections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detailscribe.llm.endpoints import is_offline

if TYPE_CHECKING:
    from detailscribe.study.study import Study

PEOPLE = "people"  # the mean of the human ratings, listed among the metrics
PAPER_METRICS = ("clip_score", "image_reward", "blip_vqa")  # modules, in the order of the paper's tables
SEED_PREFIX, SEED = "original-", "seed "  # of the image sets of seeds, and of their labels
JUDGE = "judge-"  # before the name of a judge, as a metric
HIGHER = "higher is better"
SINGLE, ORACLE, MEAN, BY = "single", "oracle", "mean", "by:"


@dataclass(frozen=True)
class Labels:
    """Labels by name; a name without one is its own label.

    Attributes:
        methods: Rows of the tables.
        metrics: Metrics and judges.
        image_sets: Image sets.
        scales: Range and direction of each metric in words.
        placeholders: Image sets of a mock, which hold no image of a real model.
        order: Metrics in the order of the pages.
    """

    methods: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    image_sets: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    placeholders: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    def sorted_metrics(self, names: Iterable[str]) -> list[str]:
        """Metrics in the order of the pages; those that it does not name come last."""
        place = {name: number for number, name in enumerate(self.order)}
        return sorted(names, key=lambda name: place.get(name, len(place)))

    def method(self, name: str) -> str:
        """Label of a method; of an image set, if there is no such method."""
        return self.methods.get(name) or self.image_sets.get(name) or name

    def metric(self, name: str) -> str:
        """Label of a metric, or of PEOPLE."""
        return self.metrics.get(name) or ("people's ratings" if name == PEOPLE else name)

    def judge(self, name: str) -> str:
        """Label of a judge by the name that it has in the configuration."""
        return self.metrics.get(f"{JUDGE}{name}") or name

    def image_set(self, name: str) -> str:
        """Label of an image set; of a method, if there is no such image set."""
        return self.image_sets.get(name) or self.methods.get(name) or name

    def scale(self, metric: str) -> str:
        """Range and direction of a metric in words."""
        return self.scales.get(metric) or (f"1 to 5, {HIGHER}" if metric == PEOPLE else HIGHER)

    def selection(self, name: str) -> str:
        """A selection in words: `picked by CLIPScore`, `best per metric`, `mean of its images`."""
        if name.startswith(BY):
            return f"picked by {self.metric(name.removeprefix(BY)).replace('other_raters', 'the other raters')}"
        words = {SINGLE: "one image", ORACLE: "best per metric", MEAN: "mean of its images"}
        return words.get(name) or self.image_set(name)


def labels_parameters(study: Study) -> dict:
    """Parameters of a page's labels: `labels` by kind, `metrics` in the order of the pages, `placeholders` if any."""
    from detailscribe.scores.metric_facts import metric_labels, metric_scales
    from detailscribe.study.methods import image_set_labels, method_labels

    methods = method_labels(study)
    sets = {
        name: f"{methods['sd']}, {label}" if name.startswith(SEED_PREFIX) and label.startswith(SEED) else label
        for name, label in image_set_labels(study).items()
    }
    labels = {
        "methods": methods,
        "metrics": metric_labels(study),
        "image_sets": sets,
        "scales": metric_scales(study),
    }
    placeholders = [
        name
        for name, entry in study.config["external"].items()
        if "endpoint" in entry and is_offline(study.config["endpoints"][entry["endpoint"]])
    ]
    own = {"labels": labels, "metrics": metric_order(study)}
    return own | ({"placeholders": placeholders} if placeholders else {})


def labels_of(parameters: Mapping) -> Labels:
    """The labels that a stage's parameters hold; names alone, if they hold none."""
    placeholders, order = (tuple(parameters.get(key, ())) for key in ("placeholders", "metrics"))
    return Labels(**parameters.get("labels", {}), placeholders=placeholders, order=order)


def metric_order(study: Study) -> list[str]:
    """Metrics in the order of the pages: the paper's, the judges, then others, those of a user's module last.

    A second config file puts its entries before those of the first, so the configuration's own order would begin with
    whatever was added last.
    """
    from detailscribe.study.plugins import is_file

    modules = {name: entry["module"] for name, entry in study.config["metrics"].items()}

    def place(name: str) -> int:
        if name not in modules:
            return len(PAPER_METRICS)
        module = modules[name]
        others = len(PAPER_METRICS) + (2 if is_file(module) else 1)
        return PAPER_METRICS.index(module) if module in PAPER_METRICS else others

    return sorted([*modules, *(name for judge in study.judging.values() for name in judge.metrics)], key=place)
