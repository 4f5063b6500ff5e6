"""Oracle cells: scores of images that the metric shown chose itself, and the honest selection that stands for them.

A score is an oracle cell if the metric under which it is shown chose the image among several: for the selection
`oracle`, for `by:{metric}` under that metric (and under the other mean of the same answers about parts), and for images
that were made from one that the metric chose on the way (a refiner or critic whose `of` is a selection, a search by a
verifier). Such a score is higher than that of one image even if all images are equally good, so it carries a dagger
wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from detailscribe.study.judging.judges import scorer_of

if TYPE_CHECKING:
    from detailscribe.study.study import Study

DAGGER = "†"
MEANING = (
    "the metric shown chose this image, or one that it was made from, among several, so its score is not comparable "
    "with the score of one image"
)


def oracle_settings(study: Study) -> dict:
    """What decides which cells are oracle cells: `selector`, and `on_the_way` of a study that has such methods.

    `on_the_way` has, by method, the metrics that chose an image that the method's images were made from.
    """
    graph = study.graph
    chosen = {
        method.name: sorted({graph.selections[name].by for name in graph.needs(method.candidates).selections})
        for method in study.methods()
    }
    on_the_way = {name: metrics for name, metrics in chosen.items() if metrics}
    return {"selector": study.config["seed_selector"]} | ({"on_the_way": on_the_way} if on_the_way else {})


def is_oracle(selection: str, metric: str, on_the_way: Iterable[str] = ()) -> bool:
    """Whether the score of a selection under a metric is an oracle cell.

    Args:
        selection: single, oracle, mean, `by:{metric}` or the name of a candidate.
        metric: Under which it is shown.
        on_the_way: Metrics that chose what the images were made from.
    """
    chosen_by = [selection.removeprefix("by:")] if selection.startswith("by:") else []
    return selection == "oracle" or any(_same_answers(metric, each) for each in [*chosen_by, *on_the_way])


def honest_selection(method: Mapping, metric: str, metrics: Iterable[str], settings: Mapping) -> str | None:
    """The selection by which a method is compared with others under a metric; None if all its cells are oracle cells.

    It is the headline, or where that is an oracle cell the choice of `seed_selector`, as for the seeds, and under
    that metric the mean of the candidates. It is fixed before any score is seen: the best of several honest rows would
    be an oracle again.

    Args:
        method: name, candidates, headline.
        metrics: Of the study.
        settings: Of `oracle_settings`.
    """
    on_the_way = settings.get("on_the_way", {}).get(method["name"], ())
    headline = method["headline"] if len(method["candidates"]) > 1 else "single"
    if any(_same_answers(metric, each) for each in on_the_way):
        return None
    if not is_oracle(headline, metric):
        return headline
    selector = settings["selector"]
    return f"by:{selector}" if selector in metrics and not is_oracle(f"by:{selector}", metric) else "mean"


def honest_label(selections: Iterable[str], metrics: Mapping[str, str] | None = None) -> str:
    """Name of a line of honest rows below a method: their selections, each once.

    Args:
        metrics: What people read in place of the names of metrics, if that is not the names themselves.
    """
    words = [selection_label(each, metrics) if metrics else each for each in selections]
    return "↳ " + " or ".join(dict.fromkeys(words))


def selection_label(selection: str, metrics: Mapping[str, str]) -> str:
    """What people read for a selection: `by CLIPScore` for `by:clip_score`."""
    metric = selection.removeprefix("by:")
    return selection if metric == selection else f"by {metrics.get(metric, metric)}"


def _same_answers(one: str, other: str) -> bool:
    """Whether two metrics are one, or the arithmetic and the geometric mean of one judge's answers about parts."""
    return scorer_of(one, (one, other)) == scorer_of(other, (one, other))
