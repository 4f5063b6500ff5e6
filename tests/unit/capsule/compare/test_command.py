"""The command that compares: its lines, its files, its exit status; nothing that a study holds breaks out of them."""

import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detailscribe.capsule.__main__ import main
from detailscribe.capsule.compare.text import COLUMNS, MOST
from detailscribe.errors import InputError
from tests.browser import running_browser
from tests.paths import REPOSITORY
from tests.unit.capsule.compare.small_study import (
    capsule_of,
    read_rows,
    read_table,
    small_study,
    write_rows,
    write_table,
)
from tests.unit.capsule.compare.test_comparison import BETTER, CASES, CLIP, DEMO, MAIN, SHARD, compared, edit_table

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e\"=cmd|' /c calc'!A1"


@pytest.fixture
def study(tmp_path) -> Path:
    return small_study(tmp_path / "a")


@pytest.fixture
def other(study) -> Path:
    shutil.copytree(study, study.with_name("b"))
    return study.with_name("b")


def run(capsys, *arguments: object) -> tuple[int, list[str]]:
    status = main(["compare", *map(str, arguments)])
    return status, capsys.readouterr().out.splitlines()


def test_equal_studies_end_with_0_and_one_line_of_what_is_the_same(study, other, capsys):
    status, lines = run(capsys, study, other)
    assert status == 0
    assert lines[0] == (
        "Is the conclusion the same? Yes: all 7 verdicts, all 2 leads, all 4 orders of methods are the same."
    )
    assert lines[-1].startswith("Nothing differs: verdicts (9), rankings (5), win rates (7), means (9), prompts (3)")
    assert len(lines) == 6


def test_what_differs_comes_first_and_the_rest_is_summed_up(study, other, capsys):
    CASES["a verdict"][0](other)
    status, lines = run(capsys, study, other)
    assert status == 1
    assert lines[0].startswith("Is the conclusion the same? No: 1 of 7 verdicts differ. The same: all 2 leads")
    start = lines.index("Verdicts: 1 of 9 differ")
    assert [line for line in lines[4:start] if line and not line.startswith("  ")] == []
    named, change = lines[start + 1].split("  ")[2:]  # a long line is cut at the width of the terminal
    assert named == "clip_score, better against sd"
    assert change.startswith("better (p 0.01) → no difference shown")
    assert lines[-1].startswith("The same: rankings (5)") and "verdicts" not in lines[-1]


def test_many_differences_are_cut_and_the_table_has_all(study, other, capsys, tmp_path):
    rows = read_rows(other / CLIP)
    write_rows(other / CLIP, [row | {"score": row["score"] + 1} for row in rows])
    for number in range(20):
        path = other / f"results/parameters/x{number}.json"
        path.write_text("{}")
    status, lines = run(capsys, study, other, "--table", tmp_path / "t.csv")
    assert status == 1
    parameters = lines[lines.index(next(line for line in lines if line.startswith("Parameters"))) :]
    assert parameters[MOST + 1] == f"    … and {20 - MOST} more, which --table FILE lists"
    assert all(len(line) <= 160 for line in lines)
    table = read_table(tmp_path / "t.csv")
    assert list(table[0]) == COLUMNS and table[0]["part"] == "conclusion" and table[0]["note"] == lines[0]
    assert [row["item"] for row in table if row["part"] == "parameters"][1:] == sorted(f"x{n}" for n in range(20))
    (scores,) = [row for row in table if row["item"] == "clip_score of sd"]
    assert (scores["changed"], scores["compared"], scores["mean_difference"]) == ("3", "3", "1")
    summary = {row["part"]: (row["changed"], row["compared"]) for row in table if not row["item"]}
    assert summary["scores"] == ("9", "27") and summary["inputs"] == ("0", "3") and len(summary) == 13


def test_errors_are_one_sentence_and_status_2(study, capsys):
    assert main(["compare", str(study), str(study / "none.zip")]) == 2
    found = capsys.readouterr()
    assert found.out == "" and found.err == f"there is no file {study / 'none.zip'}; correct the path\n"


def test_the_command_line(study, tmp_path):
    """As a program: a capsule against its folder, without the modules that only jobs need."""
    capsule = capsule_of(study, tmp_path / "c.zip")
    code = (
        "import sys; from detailscribe.capsule.__main__ import main; status = main(sys.argv[1:]); "
        "print(sorted({'torch', 'pandas', 'scipy', 'openai', 'matplotlib'} & sys.modules.keys())); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "compare", capsule, study]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("\n[]\n")


def hostile(root: Path) -> None:
    """Text that a terminal, a browser or a spreadsheet would obey, wherever a study may hold text."""
    prompts = [row | {"prompt": HOSTILE + row["prompt"]} for row in read_rows(root / DEMO / "prompts.jsonl")]
    write_rows(root / DEMO / "prompts.jsonl", prompts)
    for folder in ("critiques/better", "images/better-k0", "scores/clip_score"):
        path = root / DEMO / folder / SHARD
        changed = {"critique": HOSTILE, "sha256": HOSTILE, "status": HOSTILE, "image_set": HOSTILE}
        write_rows(path, [row | {name: changed[name] for name in changed if name in row} for row in read_rows(path)])
    for file, column in (
        ("tables/main.csv", "method"),
        ("tables/pairs.csv", "judge"),
        ("tables/cost.csv", "served_model"),
    ):
        write_table(root / DEMO / file, [row | {column: HOSTILE} for row in read_table(root / DEMO / file)])
    record = json.loads((root / "results/parameters/critique-better.json").read_text())
    record["template"]["user"] += HOSTILE
    (root / "results/parameters/critique-better.json").write_text(json.dumps(record | {"model": HOSTILE, HOSTILE: 1}))


def test_text_of_a_study_obeys_no_terminal_spreadsheet_or_browser(study, other, capsys, tmp_path):
    hostile(other)
    write_rows(other / DEMO / "prompts.jsonl", [{"id": "=1+1", "topic": "+x", "prompt": "@SUM(A1)"}])
    status, lines = run(capsys, study, other, "--table", tmp_path / "t.csv", "--page", tmp_path / "p.html")
    assert status == 1 and "alert(1)" in " ".join(lines)
    assert all(letter.isprintable() for line in lines for letter in line)
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells and "'@SUM(A1)" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")]
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1 and "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(study, other, tmp_path, scheme):
    """It runs its one script, loads nothing, scrolls nowhere sideways, and its text stands out from its background."""
    hostile(other)
    main(["compare", str(study), str(other), "--page", str(tmp_path / "p.html")])
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        problems, requests = [], []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"file://{tmp_path}/p.html")
        assert page.inner_text("h1") == "Is the conclusion the same?"
        assert page.inner_text("#answer").startswith(("It cannot", "Yes", "No"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click("#scores thead button >> nth=0")
        assert page.get_attribute("#scores thead th >> nth=0", "aria-sort") == "descending"
        colours = page.eval_on_selector(
            "#answer", "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
        )
        bright = [sum(map(float, each[each.index("(") + 1 : -1].split(",")[:3])) for each in colours]
        assert (bright[0] < bright[1]) == (scheme == "light") and abs(bright[0] - bright[1]) > 400
        headings = page.eval_on_selector_all("h1, h2, h3", "all => all.map(each => +each.tagName[1])")
        assert headings[0] == 1 and all(low - high <= 1 for high, low in zip(headings, headings[1:], strict=False))
        assert page.eval_on_selector_all("th:not([scope])", "all => all.length") == 0
    assert requests == [f"file://{tmp_path}/p.html"] and problems == []


def test_the_page_shows_both_conclusions_and_labels(study, other, tmp_path):
    edit_table(MAIN, BETTER, p_holm="0.2")(other)
    main(["compare", str(study), str(other), "--page", str(tmp_path / "p.html")])
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "▲ better → –" in page and "A: difference +1, p 0.01; B: difference +1, p 0.2" in page
    assert "CLIPScore &lt;b&gt;" in page and 'class="answer no"' in page
    first = page.encode()
    main(["compare", str(study), str(other), "--page", str(tmp_path / "p.html")])
    assert (tmp_path / "p.html").read_bytes() == first


WEIRD = [None, True, -1, 1e300, "", "x", [], {}, [[]], [{"name": None}], {"a": {"b": []}}]


@pytest.mark.parametrize("seed", range(6))
def test_values_of_any_kind_are_compared_or_refused_by_name(study, other, seed, tmp_path):
    """Of each file some values are replaced by others of any kind, as in a capsule from elsewhere."""
    draw = random.Random(seed)
    for path in sorted(other.rglob("*.json*")):
        rows = read_rows(path)
        for row in draw.sample(rows, min(2, len(rows))):
            row[draw.choice(list(row))] = draw.choice(WEIRD)
            if draw.random() < 0.2:
                row.pop(draw.choice(list(row)))
        write_rows(path, rows)
    for path in sorted([*other.rglob("*.csv"), *other.rglob("*.tsv")]):
        rows = read_table(path)
        draw.choice(rows)[draw.choice(list(rows[0]))] = draw.choice(["", "nan", "inf", "x", "1e400", "True"])
        write_table(path, rows)
    for sides in ((study, other), (other, study), (other, other)):
        try:
            assert compared(*sides).equal == (sides[0] == sides[1])
            main(["compare", *map(str, sides), "--page", str(tmp_path / "p.html")])
        except InputError as error:
            assert str(other) in str(error)
