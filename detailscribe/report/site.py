"""The report: a folder of static pages that opens from disk or lies on any web server.

A scenario's site holds an overview, a page a prompt, small images made once and the full ones as hard links. A study's
site holds those of its scenarios in folders, and one overview over all. No page asks another host for anything. What is
there already is kept, so that one changed prompt costs its own page.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pandas as pd

from detailscribe.files.atomic import write_if_changed
from detailscribe.report import assets, prompt_story
from detailscribe.report.prompt_story import Scenario

PAGES = Path(__file__).parent / "pages"
ASSETS = ("site.css", "overview.js", "prompt.js")
# Around the JSON of data.js: pages on disk may run scripts, not read files.
START, END = "window.DETAILSCRIBE = ", ";\n"


@dataclass(frozen=True)
class Overview:
    """What an overview says besides its prompts.

    Attributes:
        title: Of the page.
        notice: Warning for the top of every page; empty for none.
        main: The main table with a scenario column.
        tables: (title, caption, rows) of every further table.
        figures: (caption, SVG file) pairs.
        dropped: Rows scenario, id, topic, stage, image_set, status, reason.
        runs: Rows rule, jobs, seconds.
        versions: Library versions by name.
        commit: Of this code; empty where it is not known.
        config: The configuration as YAML text.
    """

    title: str
    notice: str
    main: pd.DataFrame
    tables: list[tuple[str, str, pd.DataFrame]] = field(default_factory=list)
    figures: list[tuple[str, Path]] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    runs: list[dict] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    config: str = ""


def write_scenario(site: Path, scenario: Scenario, overview: Overview, results: Path, threads: int) -> None:
    """Write the site of one scenario.

    Args:
        site: Its folder; files in it that the site no longer has are removed.
        results: Folder that `file` in a manifest is relative to.
        threads: That make small images at once.
    """
    rows = [row for rows in scenario.images.values() for row in rows.values() if row["file"]]
    assets.place(rows, results, site, threads)
    ids = [prompt["id"] for prompt in scenario.prompts]
    page = _environment().get_template("prompt.html.j2")
    for place, prompt in enumerate(scenario.prompts):
        neighbours = {"before": ids[place - 1] if place else None, "after": (ids[place + 1 :] or [None])[0]}
        text = page.render(
            _story(scenario, prompt), root="../", notice=overview.notice, place=place, count=len(ids), **neighbours
        )
        write_if_changed(site / "prompts" / f"{prompt['id']}.html", text)
    keep = {f"prompts/{id}.html" for id in ids}
    keep |= {f"thumbnails/{assets.thumbnail_name(row)}" for row in rows}
    keep |= {assets.full_name(row) for row in rows}
    _write_overview(site, overview, _data(scenario), keep)


def write_study(site: Path, sites: dict[str, Path], overview: Overview) -> None:
    """Write the site of a study from the sites of its scenarios, given by scenario."""
    keep, data = set(), []
    for scenario, source in sites.items():
        for path in (path for path in source.rglob("*") if path.is_file()):
            name = f"{scenario}/{path.relative_to(source)}"
            keep.add(name)
            assets.link(path, site / name)
        text = (source / "data.js").read_text(encoding="utf-8")
        data.append(json.loads(text.removeprefix(START).removesuffix(END)))
    _write_overview(site, overview, _pooled(sites, data), keep)


def _write_overview(site: Path, overview: Overview, data: dict, keep: set[str]) -> None:
    for name in ASSETS:
        write_if_changed(site / name, (PAGES / name).read_text(encoding="utf-8"))
    figures = []
    for caption, path in overview.figures:
        name = f"figures/{len(figures)}-{path.name}"
        write_if_changed(site / name, path.read_text(encoding="utf-8"))
        figures.append((caption, name))
    write_if_changed(site / "data.js", START + json.dumps(data, separators=(",", ":")) + END)
    assets.prune(site, keep | {*ASSETS, "index.html", "data.js"} | {name for _, name in figures})
    reasons = Counter((row["stage"], row["image_set"], row["status"], row["reason"]) for row in overview.dropped)
    page = (
        _environment()
        .get_template("overview.html.j2")
        .render(
            root="",
            notice=overview.notice,
            overview=overview,
            figures=figures,
            headlines=_headlines(overview.main),
            reasons=reasons.most_common(),
            data=data,
        )
    )
    # Last and always: its time tells Snakemake that the site is whole.
    (site / "index.html").write_text(page, encoding="utf-8")


def _headlines(main: pd.DataFrame) -> list[tuple[str, list[str], dict[str, dict[str, dict]]]]:
    """(scenario, metrics, {method: {metric: row}}) of the rows that the paper would show; `best` marks the highest."""
    tables = []
    for scenario, rows in main[main["headline"]].groupby("scenario", sort=False):
        best = rows.groupby("metric")["mean"].transform("max") == rows["mean"]
        cells: dict[str, dict[str, dict]] = {}
        for row in rows.assign(best=best).to_dict("records"):
            cells.setdefault(row["method"], {})[row["metric"]] = row
        tables.append((scenario, list(dict.fromkeys(rows["metric"])), cells))
    return tables


def _story(scenario: Scenario, prompt: dict) -> dict:
    """What a prompt's page shows."""
    id = prompt["id"]
    pictures = prompt_story.pictures(scenario, id)
    first = scenario.methods[0]["candidates"][0]
    critics = [
        {
            "name": name,
            "row": (row := scenario.critiques[name][id]),
            "changes": prompt_story.changes(prompt["prompt"], row["refined_prompt"]) if row["refined_prompt"] else [],
            "candidates": candidates,
        }
        for name, candidates in scenario.critics.items()
    ]
    refined = {name for critic in critics for name in critic["candidates"]}
    words = {
        name: [(judge, texts[id, name]) for judge, texts in scenario.words.items() if (id, name) in texts]
        for name in pictures
    }
    return {
        "scenario": scenario.name,
        "prompt": prompt,
        "parts": scenario.parts[id],
        "metrics": scenario.metrics,
        "pictures": pictures,
        "first": first,
        "favourite": prompt_story.favourite(scenario, id),
        "critics": critics,
        "baselines": [name for name in pictures if name not in refined and name != first],
        "words": {name: texts for name, texts in words.items() if texts},
        "marks": {name: scenario.marks[id, name] for name in pictures if (id, name) in scenario.marks},
    }


def _data(scenario: Scenario) -> dict:
    """What the overview's script reads: prompts, and by method and metric each prompt's value and chosen image."""
    problems: dict[str, set[str]] = {}
    for row in scenario.dropped:
        problems.setdefault(row["id"], set()).add(row["status"])
    prompts = []
    for prompt in scenario.prompts:
        id, rows = prompt["id"], {name: rows[prompt["id"]] for name, rows in scenario.images.items()}
        small = {name: f"thumbnails/{assets.thumbnail_name(row)}" for name, row in rows.items() if row["file"]}
        prompts.append(
            {
                "scenario": scenario.name,
                "page": f"prompts/{id}.html",
                "topic": prompt["topic"],
                "prompt": prompt["prompt"],
                "statuses": sorted(problems.get(id, ())),
                "images": small,
            }
        )
    shown = {
        method["name"]: {
            metric: [
                [None if value is None else round(value, 5), image]
                for value, image in (
                    prompt_story.choice(scenario, method, metric, row["id"]) for row in scenario.prompts
                )
            ]
            for metric in scenario.metrics
        }
        for method in scenario.methods
    }
    return {"metrics": scenario.metrics, "prompts": prompts, "shown": shown}


def _pooled(sites: dict[str, Path], parts: list[dict]) -> dict:
    """The data of several scenarios in one, paths below the study's site; a scenario without a metric has no values."""
    metrics = list(dict.fromkeys(metric for part in parts for metric in part["metrics"]))
    methods = list(dict.fromkeys(method for part in parts for method in part["shown"]))
    prompts = []
    for scenario, part in zip(sites, parts, strict=True):
        for row in part["prompts"]:
            images = {name: f"{scenario}/{path}" for name, path in row["images"].items()}
            prompts.append({**row, "page": f"{scenario}/{row['page']}", "images": images})
    shown = {
        method: {
            metric: [
                pair
                for part in parts
                for pair in part["shown"].get(method, {}).get(metric, [[None, None]] * len(part["prompts"]))
            ]
            for metric in metrics
        }
        for method in methods
    }
    return {"metrics": metrics, "prompts": prompts, "shown": shown}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["small"] = lambda row: f"thumbnails/{assets.thumbnail_name(row)}"
    environment.filters["full"] = assets.full_name
    return environment


def _number(value) -> str:
    """A cell of a table: floats to three decimals, nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(value)
