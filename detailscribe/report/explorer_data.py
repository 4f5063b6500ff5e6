"""data.js: what the script of an overview page reads to filter, sort, plot and compare prompts."""

import json
from collections.abc import Mapping
from pathlib import Path

from detailscribe.files.atomic import write_if_changed
from detailscribe.report.assets import image_path, thumbnail_path
from detailscribe.report.before_after import headline_choice
from detailscribe.report.labels import JUDGE
from detailscribe.report.prompt_story import ScenarioResults
from detailscribe.tables.honest.oracle_cells import DAGGER, honest_selection, is_oracle

FILE_NAME = "data.js"
# Around the JSON: pages opened from disk may run scripts, but not read files.
START, END = "window.DETAILSCRIBE = ", ";\n"
HONEST = " ↳"  # after the name of a method: its honest choices
DIGITS = 5


def explorer_data(results: ScenarioResults) -> dict:
    """Data of one scenario.

    Returns:
        `metrics`, `sets` (image sets), `labels` of both and of `methods`, `scales` of the metrics, `placeholders`;
        `prompts`, rows with `images`: per image set what its thumbnail's and its file's name end in, 0 for no image;
        `scores` by metric: per prompt, per image set; `shown` by method and metric: each prompt's value and the number
        of the selected image set; `candidates`: numbers of image sets by method; `chosen`: by method and metric,
        how the image was selected, in words; `oracle`: metrics with oracle cells
        by method; `first`: metric and methods A and B to begin with.

        A method that has oracle cells is followed by its honest choices under its name and HONEST.
    """
    sets = list(results.images)
    number = {name: index for index, name in enumerate(sets)}
    shown: dict[str, dict[str, list]] = {}
    oracle: dict[str, list[str]] = {}
    candidates: dict[str, list[int]] = {}
    labels: dict[str, str] = {}
    chosen: dict[str, dict[str, str]] = {}
    for method in results.methods:
        name, headline = method["name"], method["headline"] if len(method["candidates"]) > 1 else "single"
        shown[name] = _choices(results, method, dict.fromkeys(results.metrics, headline), number)
        candidates[name] = [number[each] for each in method["candidates"] if each in number]
        labels[name] = results.labels.method(name)
        chosen[name] = _words(results, dict.fromkeys(results.metrics, headline))
        on_the_way = results.oracle_settings.get("on_the_way", {}).get(name, ())
        if marked := [metric for metric in results.metrics if is_oracle(headline, metric, on_the_way)]:
            oracle[name] = marked
            honest = {
                each: honest_selection(method, each, results.scores, results.oracle_settings)
                for each in results.metrics
            }
            if any(honest[metric] for metric in marked):
                shown[name + HONEST] = _choices(results, method, honest, number)
                candidates[name + HONEST] = candidates[name]
                chosen[name + HONEST] = _words(results, honest)
                labels[name + HONEST] = f"{labels[name]}, honest choice"
                labels[name] = f"{labels[name]} {DAGGER}"
    return {
        "metrics": results.metrics,
        "sets": sets,
        "labels": {
            "methods": labels,
            "metrics": {name: results.labels.metric(name) for name in results.metrics},
            "sets": {name: results.labels.image_set(name) for name in sets},
        },
        "scales": {name: results.labels.scale(name) for name in results.metrics},
        "placeholders": [name for name in results.labels.placeholders if name in number],
        "prompts": _prompts(results),
        "scores": {
            metric: [[_rounded(results.score(metric, row["id"], name)) for name in sets] for row in results.prompts]
            for metric in results.metrics
        },
        "shown": shown,
        "candidates": candidates,
        "chosen": chosen,
        "oracle": oracle,
        "first": _first(results, list(shown)),
    }


def _prompts(results: ScenarioResults) -> list[dict]:
    statuses: dict[str, set[str]] = {}
    for row in results.dropped:
        statuses.setdefault(row["id"], set()).add(row["status"])
    prompts = []
    for prompt in results.prompts:
        id, rows = prompt["id"], [by_id[prompt["id"]] for by_id in results.images.values()]
        prompts.append(
            {
                "scenario": results.name,
                "root": "",
                "id": id,
                "topic": prompt["topic"],
                "prompt": prompt["prompt"],
                "stratum": prompt.get("stratum", ""),
                "statuses": sorted(statuses.get(id, ())),
                "images": [[_stem(thumbnail_path(row)), _ending(id, row)] if row["file"] else 0 for row in rows],
            }
        )
    return prompts


def _first(results: ScenarioResults, shown: list[str]) -> dict:
    """Metric and methods to begin with: a judge, the initial image, and DetailScribe's honest choice if any."""
    metric = next((name for name in results.metrics if name.startswith(JUDGE)), next(iter(results.metrics), ""))
    wanted = [name + ending for name in ["detailscribe", *results.critics] for ending in (HONEST, "")]
    after = next((name for name in wanted if name in shown), shown[-1])
    return {"metric": metric, "a": shown[0], "b": after}


def _choices(
    results: ScenarioResults, method: dict, selections: Mapping[str, str | None], number: Mapping[str, int]
) -> dict[str, list]:
    """By metric, each prompt's value and number of the image set under the metric's selection; None for no selection.

    A mean is of no one image set.
    """
    return {
        metric: [
            [_rounded(value), None if image_set is None else number[image_set]]
            for value, image_set in (
                headline_choice(results, {**method, "headline": selection}, metric, row["id"])
                if selection
                else (None, None)
                for row in results.prompts
            )
        ]
        for metric, selection in selections.items()
    }


def _words(results: ScenarioResults, selections: Mapping[str, str | None]) -> dict[str, str]:
    return {metric: results.labels.selection(each) if each else "no choice" for metric, each in selections.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _stem(path: str) -> str:
    return Path(path).stem


def _ending(id: str, row: dict) -> str:
    """The name of an image's file after the prompt's id, with which it begins."""
    return Path(image_path(row)).name.removeprefix(id)


def pool_explorer_data(parts: dict[str, dict]) -> dict:
    """Data of several scenarios as one, with paths relative to the study's site.

    A scenario without a metric, method or image set gets no values for it.

    Args:
        parts: By scenario.
    """
    metrics, sets, methods = (
        list(dict.fromkeys(name for part in parts.values() for name in part[key]))
        for key in ("metrics", "sets", "shown")
    )
    whole = {name: index for index, name in enumerate(sets)}
    prompts: list[dict] = []
    scores: dict[str, list] = {metric: [] for metric in metrics}
    shown: dict[str, dict[str, list]] = {method: {metric: [] for metric in metrics} for method in methods}
    pooled: dict[str, dict] = {"scales": {}, "candidates": {}, "chosen": {}}
    labels: dict[str, dict] = {"methods": {}, "metrics": {}, "sets": {}}
    oracle: dict[str, list[str]] = {}
    for scenario, part in parts.items():
        place = {index: whole[name] for index, name in enumerate(part["sets"])}
        own = {name: index for index, name in enumerate(part["sets"])}
        count = len(part["prompts"])
        for row in part["prompts"]:
            images = [row["images"][own[name]] if name in own else 0 for name in sets]
            prompts.append({**row, "root": f"{scenario}/", "images": images})
        for metric in metrics:
            rows = part["scores"].get(metric, [[None] * len(own)] * count)
            scores[metric] += [[row[own[name]] if name in own else None for name in sets] for row in rows]
            for method in methods:
                values = part["shown"].get(method, {}).get(metric, [[None, None]] * count)
                shown[method][metric] += [[value, None if at is None else place[at]] for value, at in values]
        for method, marked in part["oracle"].items():
            oracle[method] = list(dict.fromkeys([*oracle.get(method, []), *marked]))
        for method, numbers in part["candidates"].items():
            pooled["candidates"].setdefault(method, [place[index] for index in numbers])
        for method, words in part["chosen"].items():
            pooled["chosen"][method] = words | pooled["chosen"].get(method, {})
        pooled["scales"] = part["scales"] | pooled["scales"]
        labels = {kind: part["labels"][kind] | names for kind, names in labels.items()}
    return {
        "metrics": metrics,
        "sets": sets,
        "labels": labels,
        **pooled,
        "placeholders": list(dict.fromkeys(name for part in parts.values() for name in part["placeholders"])),
        "prompts": prompts,
        "scores": scores,
        "shown": shown,
        "oracle": oracle,
        "first": next(iter(parts.values()))["first"],
    }


def write_explorer_data(site: Path, data: dict) -> None:
    """Write the data file of a site where it changed."""
    write_if_changed(site / FILE_NAME, START + json.dumps(data, separators=(",", ":")) + END)


def read_explorer_data(site: Path) -> dict:
    """The data of a site."""
    return json.loads((site / FILE_NAME).read_text(encoding="utf-8").removeprefix(START).removesuffix(END))
