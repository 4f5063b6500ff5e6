"""Rating page in a real browser, offline: ratings, undo, zoom, keys alone, download, import on another machine; its
table is read back with every defect named."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image

from detailscribe.human import assignment, page
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.instructions import SCALE
from detailscribe.human.tables import rating_tables
from detailscribe.human.thumbnail import blind_jpeg, blind_thumbnail
from detailscribe.human.workbook import build_workbook, read_workbook
from detailscribe.images.image_file import save_image
from tests.unit.human.offline_pages import NO_STORAGE, axe_violations, download, low_contrasts, opened_pages, wait_for
from tests.unit.human.sample_ratings import shown_of

HOSTILE = (
    '</script><script>window.broken = 1</script><img src="https://example.org/x" onerror="window.broken = 1"> "q", ;'
)
METHODS = [{"name": "sd", "candidates": ["original-11"]}, {"name": "ours", "candidates": ["ours-k0", "ours-k1"]}]
IMAGE_SETS = assignment.rated_image_sets(METHODS)
TEXTS = ["A fox rides a bicycle.", HOSTILE, "=1+1 geese, “quoted”"]
IMAGES = 8  # three of each prompt, and two of the second: there ours-k1 is original-11
SIZE_PX = 600


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("images")
    prompts = []
    for number, text in enumerate(TEXTS):
        files = {}
        for position, name in enumerate(IMAGE_SETS):
            seen = 0 if (number, name) == (1, "ours-k1") else position
            image = Image.new("RGB", (SIZE_PX, SIZE_PX), (80 * number, 90 * seen, 120))
            files[name] = str(folder / f"{number}-{name}.png")
            save_image(image, Path(files[name]), {"format": "png"}, {"prompt": "secret words", "set": name})
        prompts.append({"id": f"p-{number}", "topic": "topic", "prompt": text, "images": files})
    return assignment.assign_images("rater_1", prompts, IMAGE_SETS, 2, 0, lambda file: blind_jpeg(Path(file)).hex())


@pytest.fixture(scope="module")
def folder(key, tmp_path_factory) -> Path:
    """The pages of rater_1, and of rater_2 with the same images."""
    folder = tmp_path_factory.mktemp("page")
    for rater in ("rater_1", "rater_2"):
        text = page.render_page([{**row, "rater": rater} for row in key], lambda name: blind_jpeg(Path(name)))
        (folder / f"{rater}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def open_page(browser, folder):
    """Opens a rater's page, rater_1's by default."""
    with opened_pages(browser, folder) as opened:
        yield lambda rater="rater_1", **options: opened(rater, **options)


def read(path: Path, key: list[dict], rater: str = "rater_1"):
    keys = {assignment.key_digest(key): json.loads(json.dumps(key))}
    return page.read_ratings_table(path, rater, lambda code: keys.get(code, []))


def table(key: list[dict], rating, code: str | None = None) -> str:
    """What the page downloads for the ratings that `rating(row)` gives."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(page.TABLE_COLUMNS)
    for row, *_ in assignment.rated_places(key):
        shown = [row[name] for name in ("sheet", "row", "column", "topic", "prompt")]
        writer.writerow([code or assignment.key_digest(key), *shown, rating(row), "", ""])
    return text.getvalue()


def downloaded(path: Path) -> list[str]:
    """Rating, "cannot" or "" of each row of a downloaded table."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return [row["rating"] or "cannot" * (row["cannot_judge"] == "yes") for row in rows]


def pressed(tab) -> list[str]:
    return tab.evaluate(
        "[...document.querySelectorAll('[data-answer][aria-pressed=true]')].map((b) => b.dataset.answer)"
    )


def test_rate_reload_import_elsewhere_and_read_back(open_page, key, tmp_path):
    tab = open_page()
    order = [rows[0] for rows in assignment.rated_places(key)]
    texts = []
    for each in ["4", "3", "5", "0"]:
        texts.append(tab.inner_text("#prompt"))
        tab.keyboard.press(each)
    assert texts == [" ".join(row["prompt"].split()) for row in order[:4]]
    assert tab.inner_text("#count") == f"4 of {IMAGES} done" and tab.inner_text("#position") == "prompt 2 of 3"
    tab.keyboard.press("ArrowLeft")
    assert pressed(tab) == ["cannot"] and tab.inner_text("#caption") == "Image 1 of 2"
    tab.keyboard.press("c")
    tab.keyboard.type('a "hand", 5\nlacks; it')
    tab.keyboard.press("Escape")
    tab.close()

    again = open_page(context=tab.context)  # the browser remembers
    assert again.inner_text("#position") == "prompt 2 of 3" and pressed(again) == ["cannot"]
    assert again.input_value("#comment") == 'a "hand", 5\nlacks; it'
    assert again.evaluate("window.broken") is None
    part = download(again, tmp_path)
    assert part.name == "rater_1.csv" and downloaded(part) == ["4", "3", "5", "cannot", "", "", "", ""]
    assert again.inner_text("#message") == "Downloaded rater_1.csv; 4 are still open."

    other = open_page()  # another browser knows nothing of it
    assert other.inner_text("#count") == f"0 of {IMAGES} done"
    other.set_input_files("#file", part)
    wait_for(other, "#count", "4 of")
    assert other.inner_text("#message") == "Imported 4 ratings from rater_1.csv."
    assert other.inner_text("#position") == "prompt 2 of 3" and other.inner_text("#caption") == "Image 2 of 2"
    for each in ["2", "1", "5", "2"]:
        other.keyboard.press(each)
    assert "All images are done: press Download ratings" in other.inner_text("#message")
    (tmp_path / "filled").mkdir()
    whole = download(other, tmp_path / "filled")
    ratings, missing, defects, notes = read(whole, key)
    assert (missing, defects) == ([], [])
    given = dict(zip([row["row"] for row in order[:5]], [4, 3, 5, None, 2], strict=True))  # of the first sheet
    found = {(row["id"], row["image_set"]): row["rating"] for row in ratings}
    assert found == {
        (row["id"], row["image_set"]): rating
        for row in key
        if (rating := given[row["row"]] if row["sheet"] == order[0]["sheet"] else [1, 5, 2][row["image"] - 1])
    }
    shared = [row["image_set"] for row in key if row["id"] == "p-1" and row["image_set"] != "ours-k0"]
    assert shared == ["original-11", "ours-k1"]  # shown once, and the answer counts for both
    assert len({("p-1", name) in found for name in shared}) == 1
    assert {(row["cannot_judge"], row["comment"]) for row in notes} == {(True, 'a "hand", 5 lacks; it')}
    assert len(found) + len(notes) == len(key) == 9
    # As the job human_scores reads it.
    parsed = read_filled_sheets({"rater_1": whole}, {assignment.key_digest(key): key}.__getitem__)
    values = {"raters": ["rater_1"], "methods": METHODS, "best_of": ["sd", "ours"], "ties_win": False}
    tables = rating_tables(parsed, values)
    (counts,) = tables["raters"][["n", "missing", "cannot_judge"]].to_numpy().tolist()
    assert counts == [7, 1, 1] and len(tables["ratings"]) == len(found)
    assert list(tables["comments"]["comment"]) == ['a "hand", 5 lacks; it'] * len(notes)


def test_ratings_are_cleared_and_steps_taken_back(open_page, tmp_path):
    tab = open_page()
    for each in ["1", "2", "ArrowLeft", "x"]:
        tab.keyboard.press(each)
    assert pressed(tab) == [] and tab.inner_text("#message") == "Cleared: the rating of image 2."
    assert tab.inner_text("#count") == f"1 of {IMAGES} done" and tab.is_disabled("#clear")
    tab.keyboard.press("Backspace")
    assert pressed(tab) == ["2"] and tab.inner_text("#message") == "Taken back: the last step at prompt 1, image 2."
    tab.click("#clear")
    tab.keyboard.press("Delete")
    assert tab.inner_text("#message") == "This image has no rating."
    tab.click("#undo")
    tab.keyboard.press("0")  # instead of 2
    assert downloaded(download(tab, tmp_path))[:3] == ["1", "cannot", ""]
    tab.keyboard.press("Control+z")
    assert downloaded(download(tab, tmp_path))[:3] == ["1", "2", ""]
    for _ in range(2):
        tab.keyboard.press("Backspace")
    assert tab.inner_text("#count").startswith("0 of") and tab.is_disabled("#undo")
    tab.keyboard.press("Control+z")
    assert tab.inner_text("#message") == "There is nothing to take back."


def test_prompts_images_and_the_next_unrated_are_reached(open_page):
    tab = open_page()
    tab.keyboard.press("PageDown")
    assert (tab.inner_text("#position"), tab.inner_text("#caption")) == ("prompt 2 of 3", "Image 1 of 2")
    tab.keyboard.press("5")
    tab.click("#others button:nth-child(1)")
    assert pressed(tab) == ["5"]
    labels = "[...document.querySelectorAll('#others button')].map((b) => b.getAttribute('aria-label'))"
    assert tab.evaluate(labels) == ["image 1: rated 5", "image 2: not rated"]
    tab.keyboard.press("PageUp")
    assert (tab.inner_text("#position"), tab.inner_text("#caption")) == ("prompt 1 of 3", "Image 1 of 3")
    tab.click("#next")
    tab.click("#next")
    tab.keyboard.press("3")
    tab.keyboard.press("PageUp")
    tab.keyboard.press("n")
    assert tab.inner_text("#open") == "Next unrated" and tab.inner_text("#caption") == "Image 2 of 3"
    tab.keyboard.press("n")
    assert (tab.inner_text("#position"), tab.inner_text("#caption")) == ("prompt 2 of 3", "Image 2 of 2")


REFUSED = {
    "another page": (lambda text: re.sub("[0-9a-f]{16}", "0" * 16, text), "of another page ("),
    "a rating": (lambda text: text.replace('"4"', '"6"', 1), "a rating is a whole number from 1 to 5, got 6"),
    "an unknown row": (lambda text: text.replace('"E"', '"G"', 1), "are unknown or repeated"),
    "both": (lambda text: text.replace('"4",""', '"4","yes"', 1), "a rating, and cannot_judge"),
    "neither": (lambda text: text.replace('"4",""', '"","so"', 1), "cannot_judge is yes or empty, got so"),
    "pairs": (lambda text: "sheet,row,pair,choice\n1,2,3,tie\n", "it has no column workbook, column, rating"),
    "nothing": (lambda text: "", "no table of this page"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_that_is_not_of_the_page_is_not_imported(open_page, key, tmp_path, name):
    change, sentence = REFUSED[name]
    (tmp_path / "x.csv").write_text(change(table(key, lambda row: 4)), encoding="utf-8")
    tab = open_page()
    tab.keyboard.press("1")
    tab.set_input_files("#file", tmp_path / "x.csv")
    wait_for(tab, "#message", "x.csv")
    assert "x.csv was not imported" in tab.inner_text("#message") and sentence in tab.inner_text("#message")
    assert tab.inner_text("#count") == f"1 of {IMAGES} done"


@pytest.mark.parametrize(("accept", "kept"), [(True, "4"), (False, "1")])
def test_an_import_replaces_ratings_only_if_asked_to(open_page, key, tmp_path, accept, kept):
    text = table(key, lambda row: "4.0" if row["image"] == 1 else "")
    lines = [line.rsplit(",", 2)[0] for line in text.splitlines()]  # as of a page without the two last columns
    (tmp_path / "x.csv").write_text("\ufeff" + "\n".join(lines).replace('","', '";"'), encoding="utf-8")
    header, rest = (tmp_path / "x.csv").read_text(encoding="utf-8").split("\n", 1)
    (tmp_path / "x.csv").write_text(header.replace(",", ";") + "\n" + rest, encoding="utf-8")
    tab = open_page()
    questions = []
    tab.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept() if accept else dialog.dismiss()))
    for each in "15":
        tab.keyboard.press(each)
    tab.set_input_files("#file", tmp_path / "x.csv")
    wait_for(tab, "#message", "x.csv|Nothing")
    found = downloaded(download(tab, tmp_path))
    assert found[:2] == [kept, "5"] and found[3] == ("4" if accept else "") and len(questions) == 1


def test_the_image_is_shown_in_full_size_and_zooms(open_page):
    tab = open_page(viewport={"width": 1300, "height": 800})
    state = "[views[0].firstElementChild.style.transform, views[0].firstElementChild.naturalWidth]"
    assert tab.evaluate(state) == ["", SIZE_PX]
    tab.keyboard.press(" ")
    enlarged = tab.evaluate(state)[0]
    assert "scale(" in enlarged
    tab.keyboard.press("d")
    assert tab.evaluate(state)[0] not in (enlarged, "")
    tab.keyboard.press(" ")
    tab.evaluate("by('help').open = false")
    box = tab.locator(".view").bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    assert "scale(" in tab.evaluate(state)[0]
    tab.keyboard.press("3")  # the next image begins as a whole
    assert tab.evaluate(state) == ["", SIZE_PX]


def test_keys_alone_reach_everything_in_order(open_page):
    tab = open_page()
    seen, outlines = [], []
    for _ in range(30):
        tab.keyboard.press("Tab")
        element, outline = tab.evaluate(
            "[document.activeElement.id || document.activeElement.dataset.answer || document.activeElement.className "
            "|| document.activeElement.parentElement.id || document.activeElement.tagName, "
            "getComputedStyle(document.activeElement).outlineWidth]"
        )
        if element == "BODY" or tab.evaluate("document.activeElement === document.body"):
            break
        seen.append(element)
        outlines.append(outline)
    buttons = ["next", "open", "download", "import"]
    assert seen == [*buttons, "help", "view", *["others"] * 3, *"12345", "cannot", "comment"]
    assert set(outlines) == {"3px"}
    tab.focus("[data-answer='2']")
    tab.keyboard.press(" ")  # rates, and zooms nothing
    assert tab.inner_text("#count").startswith("1 of") and tab.evaluate("document.activeElement.id") == "prompt"
    tab.focus("#comment")
    tab.keyboard.type("1 n w x")  # text is no key
    assert tab.inner_text("#count").startswith("1 of") and tab.input_value("#comment") == "1 n w x"


def test_a_browser_that_stores_nothing_says_so_and_downloads(open_page, tmp_path):
    tab = open_page(script=NO_STORAGE)
    assert tab.inner_text("#unsaved") == (
        "Your browser blocks local storage: download your ratings before closing this tab."
    )
    tab.keyboard.press("2")
    assert downloaded(download(tab, tmp_path))[0] == "2"


def test_two_raters_pages_in_one_browser_do_not_mix(open_page):
    tab = open_page()
    tab.keyboard.press("1")
    tab.wait_for_timeout(200)  # Chromium shares the storage of its processes after a moment
    other = open_page("rater_2", context=tab.context)
    assert other.inner_text("#count").startswith("0 of")
    twin = open_page(context=tab.context)  # two tabs of one page show the same
    twin.keyboard.press("4")
    wait_for(tab, "#count", "2 of")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_text_and_controls_have_contrast_and_fit_the_width(open_page, scheme, width):
    tab = open_page(color_scheme=scheme, viewport={"width": width, "height": 840})
    tab.keyboard.press("1")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("scrollY") == 0
    image, answers = (tab.locator(name).bounding_box() for name in (".view", "#answers"))
    assert image["height"] > 250 and image["y"] + image["height"] < answers["y"]  # seen without scrolling
    tab.evaluate("by('help').open = true")
    assert low_contrasts(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.get_attribute(".view img", "alt") == "image 1 of prompt 1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, scheme):
    tab = open_page(color_scheme=scheme)
    tab.keyboard.press("3")
    assert axe_violations(tab) == []
    tab.evaluate("by('help').open = true")
    assert axe_violations(tab) == []


def test_the_page_explains_each_rating_with_an_example(open_page):
    tab = open_page()
    rows = tab.evaluate("[...document.querySelectorAll('tbody tr')].map((row) => row.innerText.split('\\t'))")
    assert rows == [[str(each.rating), each.meaning, each.example] for each in reversed(SCALE)]


def test_the_page_hides_where_an_image_came_from(folder, key):
    text = (folder / "rater_1.html").read_text(encoding="utf-8")
    for name in [*IMAGE_SETS, *{row["id"] for row in key}, *{row["file"] for row in key}, "secret words"]:
        assert name not in text, name
    assert "<script>window" not in text and HOSTILE not in text
    assert text.count('type="text/plain"') == IMAGES


def test_a_page_and_a_workbook_of_the_same_key_give_the_same_ratings(key, tmp_path):
    def rating(row):
        return 1 + (int(row["id"][2]) + row["image"]) % 5

    path = tmp_path / "rater_1.xlsx"
    build_workbook(key, lambda name: blind_thumbnail(Path(name))).save(path)
    book = load_workbook(path)
    for row in key:
        book[row["sheet"]][f"{row['column']}{row['row']}"] = rating(row)
    book.save(path)
    (tmp_path / "rater_1.csv").write_text(table(key, rating), encoding="utf-8-sig")
    keys = {assignment.key_digest(key): key}
    places = {(row["id"], row["image_set"]): row for row in key}
    filled = read_workbook(path, "rater_1", keys.__getitem__)
    assert read(tmp_path / "rater_1.csv", key) == filled
    assert len(filled.ratings) == 9 and all(
        row["rating"] == rating(row | places[row["id"], row["image_set"]]) for row in filled.ratings
    )
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "rater_1.csv").touch()  # choices between pairs are read apart
    parsed = read_filled_sheets({"rater_1": tmp_path / "rater_1.csv"}, keys.__getitem__)
    assert parsed[""][2] == [f"{path}: rater_1 has two files here; keep one of them"]


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        (
            lambda text: text.replace('"5","",""', '"6","",""', 1),
            "line 2: a rating is a whole number from 1 to 5, got '6'",
        ),
        (
            lambda text: text.replace("workbook,", "code,", 1),
            "line 1: no column workbook; the columns of its first line are code, sheet",
        ),
        (lambda text: text.replace("A fox", "A dog", 1), "line 2: the row was changed; its prompt was 'A fox"),
        (lambda text: text.replace('"E"', '"Z"', 1), "the row was changed; sheet, row and column"),
        (lambda text: text.rsplit("\r\n", 2)[0], "is missing"),
        (
            lambda text: text.replace('"5","",""', '"5","yes",""', 1),
            "line 2: a rating of 5, and 'cannot judge'; empty one",
        ),
        (lambda text: text + text.splitlines()[1] + "\n", "are unknown or repeated"),
    ],
)
def test_every_defect_is_named(key, tmp_path, change, defect):
    text = table(key, lambda row: 5)
    header, rest = text.split("\r\n", 1)
    path = tmp_path / "rater_1.csv"
    path.write_bytes(change(header.replace('"', "") + "\r\n" + rest).encode())
    assert defect in "\n".join(read(path, key)[2])


def test_another_raters_page_an_unknown_code_and_a_semicolon_table(key, tmp_path):
    path = tmp_path / "rater_1.csv"
    path.write_text(table(key, lambda row: 3), encoding="utf-8")
    assert "this is the page of rater_1, not of rater_2" in read(path, key, "rater_2")[2][0]
    path.write_text(table(key, lambda row: 3, "0" * 16), encoding="utf-8")
    assert "no page with the code '0000000000000000'" in read(path, key)[2][0]
    rows = list(csv.reader(io.StringIO(table(key, lambda row: 3))))
    with open(path, "w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out, delimiter=";").writerows(rows)
    assert len(read(path, key).ratings) == 9


SAVED = {
    "by a spreadsheet": lambda text: text.replace('"', "").replace("\r\n", ",,\r\n") + ",,,,,,\r\n" * 3,
    "with headings in capitals": lambda text: text.replace("rating", " Rating", 1).replace("sheet", "SHEET ", 1),
    "in another Unicode form": lambda text: text.replace("caf\u00e9", "cafe\u0301"),
    "as UTF-16": lambda text: text.encode("utf-16"),
    "with ratings as texts": lambda text: text.replace('"4","",""', '" 4.0","",""'),
    "with line ends of old Macs": lambda text: text.replace("\r\n", "\r"),
    "without the columns that earlier pages did not have": lambda text: "".join(
        line.rsplit(",", 2)[0] + "\r\n" for line in text.splitlines()
    ),
    "with columns of one's own": lambda text: "".join(f'"note",{line}' for line in text.splitlines(keepends=True)),
}


@pytest.mark.parametrize("program", SAVED)
def test_a_table_that_another_program_saved_is_read(tmp_path, program):
    prompt = {"id": "p-1", "topic": "topic", "prompt": "A caf\u00e9.", "images": {name: name for name in IMAGE_SETS}}
    key = assignment.assign_images("rater_1", [prompt], IMAGE_SETS, 2, 0, shown_of)
    saved = SAVED[program](table(key, lambda row: 4))
    path = tmp_path / "rater_1.csv"
    path.write_bytes(saved if isinstance(saved, bytes) else saved.encode())
    ratings, missing, defects, _ = read(path, key)
    assert ([row["rating"] for row in ratings], missing, defects) == ([4, 4, 4], [], [])


@pytest.mark.parametrize(
    ("data", "defect"),
    [
        (b"", "empty; the first line names the columns"),
        (b"\x80\x81", "line 1: not UTF-8"),
        (b'"workbook","sheet\n', "line 1: no column"),
        (b"workbook,sheet,row,column,topic,prompt,rating\n" + b"x" * 200_000, "line 2: field larger than field limit"),
        (b"workbook,sheet,row,column,topic,prompt,rating\n", "must hold the ratings of one page, got the codes []"),
    ],
)
def test_a_file_that_is_no_table_is_one_defect(key, tmp_path, data, defect):
    path = tmp_path / "rater_1.csv"
    path.write_bytes(data)
    (found,) = read(path, key)[2]
    assert defect in found and str(path) in found
