"""data.js: what the script of an overview page reads to filter, sort and compare prompts."""

import json
from collections.abc import Mapping
from pathlib import Path

from detailscribe.files.atomic import write_if_changed
from detailscribe.report.assets import thumbnail_path
from detailscribe.report.prompt_story import ScenarioResults, headline_choice
from detailscribe.tables.honest.oracle_cells import honest_label, honest_selection, is_oracle

FILE_NAME = "data.js"
# Around the JSON: pages opened from disk may run scripts, but not read files.
START, END = "window.DETAILSCRIBE = ", ";\n"


def explorer_data(results: ScenarioResults) -> dict:
    """Data of one scenario: its prompts, and by method and metric each prompt's value and selected image set.

    A method that has oracle cells, which `oracle` lists by method, is followed by its honest choices under a name of
    their own.
    """
    statuses: dict[str, set[str]] = {}
    for row in results.dropped:
        statuses.setdefault(row["id"], set()).add(row["status"])
    prompts = []
    for prompt in results.prompts:
        id, rows = prompt["id"], {name: rows[prompt["id"]] for name, rows in results.images.items()}
        prompts.append(
            {
                "scenario": results.name,
                "page": f"prompts/{id}.html",
                "topic": prompt["topic"],
                "prompt": prompt["prompt"],
                "statuses": sorted(statuses.get(id, ())),
                "images": {name: thumbnail_path(row) for name, row in rows.items() if row["file"]},
            }
        )
    shown: dict[str, dict[str, list]] = {}
    oracle: dict[str, list[str]] = {}
    for method in results.methods:
        headline = method["headline"] if len(method["candidates"]) > 1 else "single"
        shown[method["name"]] = _choices(results, method, dict.fromkeys(results.metrics, headline))
        on_the_way = results.oracle_settings.get("on_the_way", {}).get(method["name"], ())
        if marked := [metric for metric in results.metrics if is_oracle(headline, metric, on_the_way)]:
            oracle[method["name"]] = marked
            honest = {
                each: honest_selection(method, each, results.scores, results.oracle_settings)
                for each in results.metrics
            }
            if any(honest[metric] for metric in marked):
                own = [selection for metric in marked if (selection := honest[metric])]
                shown[f"{method['name']} {honest_label(own)}"] = _choices(results, method, honest)
    return {"metrics": results.metrics, "prompts": prompts, "shown": shown, "oracle": oracle}


def _choices(results: ScenarioResults, method: dict, selections: Mapping[str, str | None]) -> dict[str, list]:
    """By metric, each prompt's value and image set under the metric's selection; None for no selection."""
    return {
        metric: [
            [None if value is None else round(value, 5), image_set]
            for value, image_set in (
                headline_choice(results, {**method, "headline": selection}, metric, row["id"])
                if selection
                else (None, None)
                for row in results.prompts
            )
        ]
        for metric, selection in selections.items()
    }


def pool_explorer_data(parts: dict[str, dict]) -> dict:
    """Data of several scenarios as one, with paths relative to the study's site.

    A scenario without a metric gets no values for it.

    Args:
        parts: By scenario.
    """
    metrics = list(dict.fromkeys(metric for part in parts.values() for metric in part["metrics"]))
    methods = list(dict.fromkeys(method for part in parts.values() for method in part["shown"]))
    prompts = []
    for scenario, part in parts.items():
        for row in part["prompts"]:
            images = {name: f"{scenario}/{path}" for name, path in row["images"].items()}
            prompts.append({**row, "page": f"{scenario}/{row['page']}", "images": images})
    shown = {
        method: {
            metric: [
                pair
                for part in parts.values()
                for pair in part["shown"].get(method, {}).get(metric, [[None, None]] * len(part["prompts"]))
            ]
            for metric in metrics
        }
        for method in methods
    }
    oracle: dict[str, list[str]] = {}
    for part in parts.values():
        for method, marked in part["oracle"].items():
            oracle[method] = list(dict.fromkeys([*oracle.get(method, []), *marked]))
    return {"metrics": metrics, "prompts": prompts, "shown": shown, "oracle": oracle}


def write_explorer_data(site: Path, data: dict) -> None:
    """Write the data file of a site where it changed."""
    write_if_changed(site / FILE_NAME, START + json.dumps(data, separators=(",", ":")) + END)


def read_explorer_data(site: Path) -> dict:
    """The data of a site."""
    return json.loads((site / FILE_NAME).read_text(encoding="utf-8").removeprefix(START).removesuffix(END))
