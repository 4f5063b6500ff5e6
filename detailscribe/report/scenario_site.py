"""Report site of one scenario: an overview and one page per prompt.

The site is a folder of static pages that opens from disk or from any web server and loads nothing from other hosts. It
holds thumbnails and hard links to the full images. Existing files are kept, so that a changed prompt costs one page;
what is packed of them stays packed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.report.labels import labels_parameters
from detailscribe.report.prompt_story import ScenarioResults, page_values
from detailscribe.study.notices import study_notice
from detailscribe.study.refinements import CRITICS
from detailscribe.study.study import Study
from detailscribe.tables.honest.oracle_cells import oracle_settings

if TYPE_CHECKING:
    from detailscribe.report.overview import Overview

STAGE = "report"
ALGORITHM = 5


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    graph, initial = study.graph, study.originals()[0]
    rounds = {name: graph.level(graph.source_of_critic(name)) for name in study.config["critics"]}
    critics = sorted(rounds, key=lambda name: (not study.candidates(name), rounds[name]))
    values: dict[str, Any] = {
        "notice": study_notice(study),
        "methods": [vars(method) for method in study.methods()],
        "critics": [
            {"name": name, "candidates": list(study.candidates(name))}
            | ({"of": of} if (of := graph.source_of_critic(name)) != initial else {})
            for name in critics
        ],
        **oracle_settings(study),
        **labels_parameters(study),
    }
    shown = ("name", "refiner", "of", "text", "image_sets")
    refiners = [
        {"entry": each.entry[1]} | {key: getattr(each, key) for key in shown}
        for each in graph.refinements
        if each.entry[0] != CRITICS
    ]
    values |= {"refiners": refiners} if refiners else {}
    values |= {"selections": list(graph.selections)} if graph.selections else {}
    ranks = {name: selection.rank for name, selection in graph.selections.items() if selection.rank > 1}
    return {"report": values | ({"ranks": ranks} if ranks else {})}


def write_scenario(site: Path, scenario: ScenarioResults, overview: Overview, results: Path, threads: int) -> None:
    """Write the site of one scenario.

    Args:
        site: Its folder; files that no longer belong to the site are removed.
        results: Folder that `file` in a manifest is relative to.
        threads: Number of thumbnails made in parallel.
    """
    from detailscribe.report import assets
    from detailscribe.report.explorer_data import explorer_data
    from detailscribe.report.overview import write_overview
    from detailscribe.report.packed_site import write_page
    from detailscribe.report.templates import page_template

    rows = [row for rows in scenario.images.values() for row in rows.values() if row["file"]]
    assets.add_images(rows, results, site, threads)
    ids = [prompt["id"] for prompt in scenario.prompts]
    template = page_template("prompt.html.j2")
    for number, prompt in enumerate(scenario.prompts):
        page = template.render(
            page_values(scenario, prompt),
            root="../",
            notice=overview.notice,
            number=number + 1,
            count=len(ids),
            previous=ids[number - 1] if number else None,
            next=ids[number + 1] if number + 1 < len(ids) else None,
        )
        write_page(site / "prompts" / f"{prompt['id']}.html", page)
    keep = {f"prompts/{id}.html" for id in ids}
    keep |= {path for row in rows for path in (assets.thumbnail_path(row), assets.image_path(row))}
    write_overview(site, overview, explorer_data(scenario), keep)
