"""The report as the pipeline makes it: whole, rebuilt by what changed, and Snakemake's own beside it."""

import re
import shutil
import zipfile

from tests.workflow.small_study import PROMPTS, Study


def site(study: Study) -> dict[str, int]:
    """Files of the scenario's site with their times."""
    folder = study.results / "small" / "report"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_sites_hold_everything_that_their_pages_name(study, tmp_path):
    for name in ("small/report", "report"):
        folder = shutil.copytree(study.results / name, tmp_path / "elsewhere" / name)
        pages = list(folder.rglob("*.html"))
        assert len(list(folder.rglob("prompts/*.html"))) == len(PROMPTS)
        for page in pages:
            for target in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
                path = (page.parent / target).resolve()
                assert path.is_file() and path.is_relative_to(folder.resolve()), f"{page}: {target}"


def test_every_page_of_the_miniature_says_that_it_means_nothing(study):
    pages = list((study.results / "report").rglob("*.html"))
    assert pages and all('class="notice"' in page.read_text(encoding="utf-8") for page in pages)


def test_an_edited_prompt_redoes_its_own_page(study):
    before = site(study)
    study.prompts([("carry-log", "Two beavers drag a log together, one at each end."), *PROMPTS[1:]])
    study.snakemake()
    after = site(study)
    redone = {name for name in after if name.startswith("prompts/") and after[name] != before.get(name)}
    gone = {name for name in before if name.startswith("prompts/")} - after.keys()
    assert len(gone) == 1 and next(iter(gone)).startswith("prompts/carry-log-")
    # Its neighbour in the order of ids points at the new page.
    assert 1 <= len(redone) <= 3 and sum(name.startswith("prompts/carry-log-") for name in redone) == 1
    kept = {name for name in before if name.startswith("thumbnails/")} & after.keys()
    assert kept and all(before[name] == after[name] for name in kept)


def test_snakemakes_own_report_has_the_tables_and_figures_but_no_image(study):
    study.snakemake("--report", "own.zip")
    with zipfile.ZipFile(study.folder / "own.zip") as archive:
        names = archive.namelist()
        page = archive.read(next(name for name in names if name.endswith("report.html"))).decode()
    assert sum(name.endswith("main.csv") for name in names) >= 2 and any(name.endswith("main.svg") for name in names)
    assert not any(name.endswith((".jpg", ".jpeg")) for name in names)
    assert "report/index.html" in page and "tabulate_scenario" in page
