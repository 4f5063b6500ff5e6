"""data.js: what the script of an overview page reads to filter, sort and compare prompts."""

import json
from pathlib import Path

from detailscribe.files.atomic import write_if_changed
from detailscribe.report.assets import thumbnail_path
from detailscribe.report.prompt_story import ScenarioResults, headline_choice

FILE_NAME = "data.js"
# Around the JSON: pages opened from disk may run scripts, but not read files.
START, END = "window.DETAILSCRIBE = ", ";\n"


def explorer_data(results: ScenarioResults) -> dict:
    """Data of one scenario: its prompts, and by method and metric each prompt's value and selected image set."""
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
    shown = {
        method["name"]: {
            metric: [
                [None if value is None else round(value, 5), image_set]
                for value, image_set in (headline_choice(results, method, metric, row["id"]) for row in results.prompts)
            ]
            for metric in results.metrics
        }
        for method in results.methods
    }
    return {"metrics": results.metrics, "prompts": prompts, "shown": shown}


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
    return {"metrics": metrics, "prompts": prompts, "shown": shown}


def write_explorer_data(site: Path, data: dict) -> None:
    """Write the data file of a site where it changed."""
    write_if_changed(site / FILE_NAME, START + json.dumps(data, separators=(",", ":")) + END)


def read_explorer_data(site: Path) -> dict:
    """The data of a site."""
    return json.loads((site / FILE_NAME).read_text(encoding="utf-8").removeprefix(START).removesuffix(END))
