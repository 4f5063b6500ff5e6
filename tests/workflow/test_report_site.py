"""The report of a whole run: complete, and Snakemake's own report."""

import re
import shutil
import zipfile

from tests.workflow.small_study import PROMPTS


def test_the_sites_hold_everything_that_their_pages_name(study, tmp_path):
    for name in ("small/report", "report"):
        folder = shutil.copytree(study.results / name, tmp_path / "elsewhere" / name)
        pages = list(folder.rglob("*.html"))
        assert len(list(folder.rglob("prompts/*.html"))) == len(PROMPTS)
        for page in pages:
            for target in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
                path = (page.parent / target).resolve()
                assert path.is_file() and path.is_relative_to(folder.resolve()), f"{page}: {target}"


def test_the_site_has_its_tables_and_asks_no_other_host(study):
    for folder in (study.results / "small/report", study.results / "report"):
        assert any(path.name.endswith("scores.csv") for path in (folder / "tables").iterdir())
        for file in (path for path in folder.rglob("*") if path.suffix in (".html", ".js", ".css")):
            outside = re.findall(
                r"""(?:src|href)=["']?(?:https?:)?//|url\(|@import|fetch\(""", file.read_text(encoding="utf-8")
            )
            assert not outside, f"{file}: {outside}"
        assert "SD (demo)" in (folder / "index.html").read_text(encoding="utf-8"), "names that people read"


def test_every_page_of_the_miniature_says_that_it_means_nothing(study):
    pages = list((study.results / "report").rglob("*.html"))
    assert pages and all('class="notice"' in page.read_text(encoding="utf-8") for page in pages)


def test_snakemakes_own_report_has_the_tables_and_figures_but_no_image(study):
    study.snakemake("--report", "own.zip")
    with zipfile.ZipFile(study.folder / "own.zip") as archive:
        names = archive.namelist()
        page = archive.read(next(name for name in names if name.endswith("report.html"))).decode()
    assert sum(name.endswith("main.csv") for name in names) >= 2 and any(name.endswith("main.svg") for name in names)
    assert not any(name.endswith((".jpg", ".jpeg")) for name in names)
    assert "report/index.html" in page and "tabulate_scenario" in page
