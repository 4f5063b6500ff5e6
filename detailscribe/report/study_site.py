"""Report site of the study: the sites of its scenarios under one overview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.report.labels import labels_parameters
from detailscribe.study.notices import study_notice
from detailscribe.study.study import Study

if TYPE_CHECKING:
    from detailscribe.report.overview import Overview

STAGE = "reports"
ALGORITHM = 4


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    own = {"notice": study_notice(study), "scenarios": study.config["study"]}
    return {"reports": own | labels_parameters(study)}


def write_study(site: Path, sites: dict[str, Path], overview: Overview) -> None:
    """Write the site of a study from the sites of its scenarios, by scenario; what is packed of one is left out."""
    from detailscribe.report import assets, explorer_data
    from detailscribe.report.overview import write_overview
    from detailscribe.report.packed_site import is_packing

    keep = set()
    for scenario, source in sites.items():
        for path in (path for path in source.rglob("*") if path.is_file() and not is_packing(path)):
            name = f"{scenario}/{path.relative_to(source)}"
            keep.add(name)
            assets.link_or_copy(path, site / name)
    parts = {scenario: explorer_data.read_explorer_data(source) for scenario, source in sites.items()}
    write_overview(site, overview, explorer_data.pool_explorer_data(parts), keep)
