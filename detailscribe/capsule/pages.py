"""Pages of the report in a capsule: made anew from the capsule's own members, so that they show nothing else.

The pages of a study name machines, run times and its whole configuration. Those of a capsule show its rows, tables and
images as they went in, and its configuration.
"""

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from detailscribe.capsule.layout import STUDY, THUMBNAILS, WHOLE, kind_of
from detailscribe.capsule.stored import SealedStudy
from detailscribe.study.stages import FIGURES, ONE_COLUMN, judging_figures, report_tables
from detailscribe.study.study import Study

OWN = ("results/", "resources/exchanges/")  # what the pages are made from
THREADS = 2
PEOPLE = (  # tables of people's marks that pages show
    *("main", "raters", "reliability", "agreement", "assisted", "worth"),
    *("pair_main", "strengths", "pair_raters", "pair_reliability"),
)


def add_pages(
    sealed: SealedStudy, study: Study, scenarios: list[str], config: dict, parameters: Mapping[str, Any], code: Path
) -> None:
    """Write the site of each scenario into the capsule.

    Args:
        sealed: The study on its way, with everything but its pages.
        study: The study.
        scenarios: Those of the capsule.
        config: As the capsule shows it.
        parameters: Of the stage `report`.
        code: Folder of the code.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _unpack(sealed, folder)
        with contextlib.chdir(folder):
            for name in scenarios:
                _write_site(study, name, config, parameters, code)
            for path in sorted(path for path in Path("results").glob("*/report/**/*") if path.is_file()):
                if kind_of(STUDY + path.as_posix()):
                    sealed.add(path.as_posix(), path.read_bytes())


def _unpack(sealed: SealedStudy, folder: Path) -> None:
    """Write the members that pages are made from; a thumbnail stands for its image."""
    kept = sealed.contents.images
    for name in sealed.archive.files:
        inner = name.removeprefix(STUDY)
        if not inner.startswith(OWN):
            continue
        if kept == THUMBNAILS and "/thumbnails/" in inner:
            inner = inner.replace("/thumbnails/", "/images/", 1)
        path = folder / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sealed.archive.read(name))


def _write_site(study: Study, name: str, config: dict, parameters: Mapping[str, Any], code: Path) -> None:
    from detailscribe.report.inputs import read_overview, read_scenario
    from detailscribe.report.labels import labels_of
    from detailscribe.report.scenario_site import write_scenario

    values = dict(parameters)
    files = _inputs(study, name)
    folders = {name: Path("results") / name}
    scenario = read_scenario(name, files, values, Path("resources/exchanges"))
    for rows in scenario.images.values():
        for row in rows.values():
            row["file"] = _present(row["file"])
    shown = name, values["notice"], files, folders, scenario.images.values()
    overview = read_overview(*shown, code / "rules" / "captions", code, config, labels_of(values))
    write_scenario(folders[name] / "report", scenario, overview, Path("results"), THREADS)


def _present(file: str | None) -> str | None:
    """The image of a row as it is in the capsule, whose thumbnails are all JPEG; None where it was left out."""
    if not file:
        return None
    beside = (file, Path(file).with_suffix(".jpg").as_posix())
    return next((each for each in beside if (Path("results") / each).is_file()), None)


def _inputs(study: Study, name: str) -> Any:
    """The files that the rules of the report declare, as far as they are there."""
    base = Path("results") / name

    def of(*patterns: str) -> list[str]:
        return [str(path) for pattern in patterns for path in sorted(base.glob(pattern))]

    figures = [*FIGURES, *judging_figures(study)]
    return SimpleNamespace(
        prompts=str(base / "prompts.jsonl"),
        decompositions=of("decompositions/*.jsonl"),
        critiques=of(*(f"critiques/{each}/*.jsonl" for each in study.config["critics"])),
        rewrites=of(*(f"rewrites/{each}/*.jsonl" for each in study.config["rewriters"])),
        manifests=of(*(f"images/{each}/*.jsonl" for each in study.image_sets())),
        scores=of(*(f"scores/{each}/*.jsonl" for each in study.scorers)),
        audits=of("audits/*/*.jsonl"),
        selections=of(*(f"selections/{each}/*.jsonl" for each in study.graph.selections)),
        dropped=of("dropped.tsv"),
        ratings=of("human/ratings.csv"),
        choices=of("human/pairs.csv"),
        main=of("tables/main.csv"),
        tables=of(*(f"tables/{each}.csv" for each in report_tables(study))),
        samples=of("tables/scores.csv"),
        people=of(*(f"human/{each}.csv" for each in PEOPLE)),
        figures=of(*(f"figures/{each}.svg" for each in figures)),
        narrow_figures=of(*(f"figures/{ONE_COLUMN}/{each}.svg" for each in figures)),
    )


def can_show(images: str) -> bool:
    """Whether a capsule with these images can have pages."""
    return images in (THUMBNAILS, WHOLE)
