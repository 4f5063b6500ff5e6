"""Page of pairs in a real browser, offline: choices, undo, zoom, keys alone, export, and import on another machine."""

import csv
import io
from functools import partial
from pathlib import Path

import pytest

from detailscribe.files.rows import read_rows
from detailscribe.human.assignment import find_key
from detailscribe.human.pairs.choices import read_choices
from tests.unit.human.offline_pages import NO_STORAGE, axe_violations, download, low_contrasts, opened_pages, wait_for
from tests.unit.human.pairs.sample_pairs import CANDIDATES, HOSTILE, SIZE_PX, exported, shown_pairs

PAIRS = 7


@pytest.fixture
def open_page(browser, sheets):
    """Opens a rater's page, ann's by default."""
    with opened_pages(browser, sheets.folder) as opened:
        yield lambda rater="ann", **options: opened(rater, **options)


def choices(path: Path) -> list[str]:
    """Choice and strength of each row of an exported table."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return [f"{row['choice']} {row['strength']}".strip() for row in rows]


def pressed(tab) -> list[str]:
    return tab.evaluate("[...document.querySelectorAll('[aria-pressed=true]')].map((each) => each.dataset.answer)")


def test_judge_reload_import_elsewhere_and_read_back(open_page, sheets, tmp_path):
    tab = open_page()
    texts = []
    for key in ["1", "ArrowRight", "3"]:
        texts.append(tab.inner_text("#prompt"))
        tab.keyboard.press(key)
    tab.click("[data-answer=cannot]")
    assert tab.inner_text("#count") == f"4 of {PAIRS} judged" and tab.inner_text("#position") == f"pair 5 of {PAIRS}"
    tab.keyboard.press("c")
    tab.keyboard.type('a "hand", 5\nlacks; it')
    tab.keyboard.press("Escape")
    tab.keyboard.press("PageUp")
    assert pressed(tab) == ["cannot"]
    tab.close()

    again = open_page(context=tab.context)  # the browser remembers
    assert again.inner_text("#position") == f"pair 4 of {PAIRS}" and pressed(again) == ["cannot"]
    assert again.evaluate("window.broken") is None
    again.keyboard.press("Shift+ArrowRight")
    assert again.input_value("#comment") == 'a "hand", 5\nlacks; it'
    part = download(again, tmp_path)
    assert part.name == "ann.pairs.csv"
    assert choices(part) == ["first clearly", "second slightly", "tie", "second clearly", "", "", ""]

    other = open_page()  # another browser knows nothing of it
    assert other.inner_text("#count") == f"0 of {PAIRS} judged"
    other.set_input_files("#file", part)
    wait_for(other, "#count", "4 of")
    assert other.inner_text("#message") == "Imported 4 choices from ann.pairs.csv."
    assert other.inner_text("#position") == f"pair 5 of {PAIRS}"
    assert other.input_value("#comment") == 'a "hand", 5 lacks; it'
    for key in ["2", "4", "5"]:
        other.keyboard.press(key)
    assert "All pairs are judged" in other.inner_text("#message")
    (tmp_path / "pairs").mkdir()
    whole = download(other, tmp_path / "pairs")
    key_of = partial(find_key, sheets.folder / "keys")
    parsed = read_choices(whole.parent, [whole], ["ann"], key_of)
    assert parsed[""].defects == parsed["ann"].defects == parsed["ann"].missing == []
    values = {row["pair"]: row["value"] for row in parsed["ann"].choices if row["pair"]}
    order = shown_pairs(sheets.keys["ann"])
    assert [values[row["pair"]] for row in order] == [1.0, -0.5, 0.0, -1.0, 0.5, -0.5, -1.0]
    assert texts == [row["prompt"] for row in order[:3]]
    assert {row["comment"] for row in parsed["ann"].choices} == {"", 'a "hand", 5 lacks; it'}
    assert all(0 <= row["seconds"] < 60 for row in parsed["ann"].choices if row["pair"])


def test_choices_are_taken_back(open_page, tmp_path):
    tab = open_page()
    for key in ["1", "2", "3", "Backspace", "Control+z"]:
        tab.keyboard.press(key)
    assert tab.inner_text("#position") == f"pair 2 of {PAIRS}" and tab.inner_text("#count") == f"1 of {PAIRS} judged"
    tab.keyboard.press("PageUp")
    tab.keyboard.press("5")  # instead of 1
    tab.click("#undo")
    assert pressed(tab) == ["first clearly"]
    table = tmp_path / "two.csv"
    lines = download(tab, tmp_path).read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([lines[0], *(line.replace('"",""', '"tie",""', 1) for line in lines[2:4])]))
    tab.set_input_files("#file", table)
    wait_for(tab, "#count", "3 of")
    tab.keyboard.press("Backspace")
    assert tab.inner_text("#message") == "Taken back: the import." and tab.inner_text("#count").startswith("1 of")
    tab.keyboard.press("Backspace")
    tab.keyboard.press("Backspace")
    assert tab.inner_text("#count").startswith("0 of") and tab.is_disabled("#undo")
    tab.keyboard.press("Control+z")
    assert tab.inner_text("#message") == "There is nothing to take back."


REFUSED = {
    "another rater's": lambda sheets: (
        exported(sheets.keys["bo"], lambda row: {"choice": "tie"}),
        "of another sheet (",
    ),
    "a choice": lambda sheets: (
        exported(sheets.keys["ann"], lambda row: {"choice": "both"}),
        "a choice is one of first",
    ),
    "no strength": lambda sheets: (
        exported(sheets.keys["ann"], lambda row: {"choice": "first"}),
        "strength is missing",
    ),
    "ratings": lambda sheets: ("workbook,sheet,rating\n1,2,3\n", "no table of this page: it has no column pair"),
    "nothing": lambda sheets: ("", "no table of this page"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_is_not_of_the_page_is_not_imported(open_page, sheets, tmp_path, name):
    text, sentence = REFUSED[name](sheets)
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    tab = open_page()
    tab.keyboard.press("1")
    tab.set_input_files("#file", tmp_path / "x.csv")
    wait_for(tab, "#message", "x.csv|Nothing")
    assert "x.csv was not imported" in tab.inner_text("#message") and sentence in tab.inner_text("#message")
    assert tab.inner_text("#count") == f"1 of {PAIRS} judged"


@pytest.mark.parametrize(("accept", "kept"), [(True, "tie"), (False, "first clearly")])
def test_an_import_replaces_choices_only_if_asked_to(open_page, sheets, tmp_path, accept, kept):
    table = exported(sheets.keys["ann"], lambda row: {"choice": "tie"} if row["row"] < 3 else {})
    text = "\ufeff" + table.replace('"', "").replace(",", ";")  # saved by a spreadsheet
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    tab = open_page()
    questions = []
    tab.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept() if accept else dialog.dismiss()))
    for key in ["1", "3", "4"]:
        tab.keyboard.press(key)
    tab.set_input_files("#file", tmp_path / "x.csv")
    wait_for(tab, "#message", "x.csv|Nothing")
    found = choices(download(tab, tmp_path))
    assert found[:3] == [kept, "tie", "second slightly"] and len(questions) == 1


def test_both_images_zoom_and_move_together(open_page):
    tab = open_page(viewport={"width": 1300, "height": 800})
    transforms = "[...document.querySelectorAll('.view img')].map((img) => img.style.transform)"
    assert tab.evaluate(transforms) == ["", ""]
    assert tab.evaluate("[...document.querySelectorAll('.view img')].map((img) => img.naturalWidth)") == [SIZE_PX] * 2
    tab.keyboard.press(" ")
    one, other = tab.evaluate(transforms)
    assert one == other and "scale(" in one
    tab.keyboard.press("d")
    moved = tab.evaluate(transforms)
    assert moved[0] == moved[1] != one
    tab.keyboard.press(" ")
    assert tab.evaluate(transforms) == ["", ""]
    box = tab.locator(".view").nth(1).bounding_box()
    corner = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    tab.mouse.click(*corner)
    clicked = tab.evaluate(transforms)
    assert clicked[0] == clicked[1] != one
    tab.mouse.move(*corner)
    tab.mouse.down()
    tab.mouse.move(corner[0] - 60, corner[1] - 40)
    tab.mouse.up()
    dragged = tab.evaluate(transforms)
    assert dragged[0] == dragged[1] not in (clicked[0], "")
    tab.mouse.wheel(0, -300)
    wheeled = tab.evaluate(transforms)
    assert wheeled[0] == wheeled[1] not in (dragged[0], "")
    tab.mouse.click(*corner)
    assert tab.evaluate(transforms) == ["", ""]
    tab.keyboard.press("+")
    tab.keyboard.press("1")  # the next pair begins as a whole
    assert tab.evaluate(transforms) == ["", ""]


def test_keys_alone_reach_everything_in_order(open_page):
    tab = open_page()
    seen, outlines = [], []
    for _ in range(30):
        tab.keyboard.press("Tab")
        element, outline = tab.evaluate(
            "[document.activeElement.id || document.activeElement.dataset.answer || document.activeElement.className "
            "|| document.activeElement.tagName, getComputedStyle(document.activeElement).outlineWidth]"
        )
        if element == "BODY":
            break
        seen.append(element)
        outlines.append(outline)
    answers = ["first clearly", "first slightly", "tie", "second slightly", "second clearly", "cannot"]
    buttons = ["next", "open", "download", "import"]
    assert seen == [*buttons, "SUMMARY", "view", "view", *answers, "comment"]
    assert set(outlines) == {"3px"}
    tab.focus("[data-answer=tie]")
    tab.keyboard.press(" ")  # chooses, and zooms nothing
    assert tab.inner_text("#count") == f"1 of {PAIRS} judged" and tab.evaluate("document.activeElement.id") == "prompt"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.querySelectorAll('.view[aria-pressed=true]').length") == 2
    tab.focus("#comment")
    tab.keyboard.type("1 n w")  # text is no key
    assert tab.inner_text("#count") == f"1 of {PAIRS} judged" and tab.input_value("#comment") == "1 n w"


def test_a_browser_that_stores_nothing_says_so_and_exports(open_page, tmp_path):
    tab = open_page(script=NO_STORAGE)
    assert tab.is_visible("#unsaved")
    tab.keyboard.press("2")
    assert choices(download(tab, tmp_path))[0] == "first slightly"


def test_two_raters_pages_in_one_browser_do_not_mix(open_page):
    tab = open_page()
    tab.keyboard.press("1")
    tab.wait_for_timeout(200)  # Chromium shares the storage of its processes after a moment
    other = open_page("bo", context=tab.context)
    assert other.inner_text("#count") == f"0 of {PAIRS} judged"
    twin = open_page(context=tab.context)  # two tabs of one page show the same
    twin.keyboard.press("4")
    wait_for(tab, "#count", "2 of")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_text_and_controls_have_contrast_and_fit_the_width(open_page, scheme, width):
    tab = open_page(color_scheme=scheme, viewport={"width": width, "height": 840})
    tab.keyboard.press("1")
    tab.keyboard.press("PageUp")
    tab.evaluate("by('help').open = true")
    assert low_contrasts(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tops = tab.evaluate("[...document.querySelectorAll('.view')].map((view) => view.getBoundingClientRect().top)")
    assert (tops[0] == tops[1]) == (width > 1000)
    assert all(tab.get_attribute(f"figure:nth-child({place}) img", "alt") for place in (1, 2))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, scheme):
    tab = open_page(color_scheme=scheme)
    tab.keyboard.press("3")
    assert axe_violations(tab) == []
    tab.evaluate("by('help').open = true")
    assert axe_violations(tab) == []


def test_the_page_hides_where_an_image_came_from(sheets):
    for rater, key in sheets.keys.items():
        text = (sheets.folder / f"{rater}.html").read_text(encoding="utf-8")
        hidden = {*CANDIDATES, *(name for names in CANDIDATES.values() for name in names), "secret words"}
        hidden |= {row[name] for row in key for name in ("id", "first_file", "second_file")}
        assert [name for name in hidden if name in text] == []
        assert "<script>window" not in text and HOSTILE not in text
        assert text.count('type="text/plain"') == 8  # three images each of three prompts, and one of them twice
    codes = {path.stem for path in (sheets.folder / "keys").iterdir()}
    assert len(codes) == 2 and all(read_rows(sheets.folder / "keys" / f"{code}.jsonl") for code in codes)
