"""Rating page: rated, closed, continued and downloaded in a real browser; read back with every defect named."""

import csv
import io
import json
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image

from detailscribe.human import assignment, page
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.sheets import INSTRUCTIONS
from detailscribe.human.thumbnail import blind_thumbnail
from detailscribe.human.workbook import build_workbook, read_workbook

HOSTILE = (
    '</script><script>window.broken = 1</script><img src="https://example.org/x" onerror="window.broken = 1"> "q", ;'
)
METHODS = [{"name": "sd", "candidates": ["original-11"]}, {"name": "ours", "candidates": ["ours-k0", "ours-k1"]}]
IMAGE_SETS = assignment.rated_image_sets(METHODS)


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("images")
    prompts = []
    for number, text in enumerate(["A fox rides a bicycle.", HOSTILE, "=1+1 geese, “quoted”"]):
        files = {}
        for position, name in enumerate(IMAGE_SETS):
            files[name] = str(folder / f"{number}-{name}.png")
            Image.new("RGB", (64, 64), (80 * number, 90 * position, 120)).save(files[name])
        prompts.append({"id": f"p-{number}", "topic": "topic", "prompt": text, "images": files})
    return assignment.assign_images("rater_1", prompts, IMAGE_SETS, 2, 0)


@pytest.fixture(scope="module")
def file(key, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "rater_1.html"
    text = page.render_page(key, lambda name: blind_thumbnail(Path(name)), INSTRUCTIONS)
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, key: list[dict], rater: str = "rater_1"):
    keys = {assignment.key_digest(key): json.loads(json.dumps(key))}
    return page.read_ratings_table(path, rater, lambda code: keys.get(code, []))


def table(key: list[dict], rating, code: str | None = None) -> str:
    """What the page downloads for the ratings that `rating(row)` gives."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(page.TABLE_COLUMNS)
    for row in key:
        shown = [row[name] for name in ("sheet", "row", "column", "topic", "prompt")]
        writer.writerow([code or assignment.key_digest(key), *shown, rating(row)])
    return text.getvalue()


def test_rate_reload_continue_download(browser, file, key, tmp_path):
    requests, errors = [], []
    context = browser.new_context(accept_downloads=True, offline=True)
    tab = context.new_page()
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.goto(file.as_uri())
    for rating in "435":  # the three images of the first prompt; the last one turns the page
        tab.keyboard.press(rating)
    assert tab.inner_text("#prompt") == " ".join(HOSTILE.split())
    tab.click("[aria-label='image 2: 2']")
    assert tab.inner_text("#count") == "4 of 9"
    tab.close()

    tab = context.new_page()
    tab.goto(file.as_uri())
    tab.on("dialog", lambda dialog: dialog.accept())
    assert tab.inner_text("#count") == "4 of 9"
    assert tab.inner_text("#position") == "2 of 3"
    assert tab.get_attribute("[aria-label='image 2: 2']", "aria-pressed") == "true"
    assert tab.evaluate("window.broken") is None
    tab.click("#unrated")
    tab.keyboard.press("1")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("1")
    tab.keyboard.press("PageUp")
    assert tab.inner_text("#position") == "2 of 3"
    tab.keyboard.press("PageDown")
    tab.keyboard.press("5")
    with tab.expect_download() as download:
        tab.click("#download")
    assert download.value.suggested_filename == "rater_1.csv"
    download.value.save_as(tmp_path / "rater_1.csv")
    widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert widths and min(widths) == 256
    context.close()
    assert errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests), requests
    ratings, missing, defects = read(tmp_path / "rater_1.csv", key)
    assert (len(ratings), len(missing), defects) == (7, 2, [])
    given = {(row["id"], row["image_set"]): row["rating"] for row in ratings}
    order = [(row["id"], row["image_set"]) for row in key]
    assert [given.get(image) for image in order] == [4, 3, 5, 1, 2, 1, 5, None, None]


def test_the_page_hides_where_an_image_came_from(file, key):
    text = file.read_text(encoding="utf-8")
    for name in [*IMAGE_SETS, *{row["id"] for row in key}, *{row["file"] for row in key}]:
        assert name not in text, name
    assert "<script>window" not in text


def test_a_page_and_a_workbook_of_the_same_key_give_the_same_ratings(key, tmp_path):
    def rating(row):
        return 1 + (int(row["id"][2]) + IMAGE_SETS.index(row["image_set"])) % 5

    path = tmp_path / "rater_1.xlsx"
    build_workbook(key, lambda name: blind_thumbnail(Path(name)), INSTRUCTIONS).save(path)
    book = load_workbook(path)
    for row in key:
        book[row["sheet"]][f"{row['column']}{row['row']}"] = rating(row)
    book.save(path)
    (tmp_path / "rater_1.csv").write_text(table(key, rating), encoding="utf-8-sig")
    keys = {assignment.key_digest(key): key}
    filled = read_workbook(path, "rater_1", keys.__getitem__)
    assert read(tmp_path / "rater_1.csv", key) == filled
    assert len(filled[0]) == 9
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "rater_1.csv").touch()  # choices between pairs are read apart
    parsed = read_filled_sheets({"rater_1": tmp_path / "rater_1.csv"}, keys.__getitem__)
    assert parsed[""][2] == [f"{path}: rater_1 has two files here; keep one of them"]


@pytest.mark.parametrize(
    ("change", "defect"),
    [
        (lambda text: text.replace('"5"\r\n', '"6"\r\n', 1), "line 2: a rating is a whole number from 1 to 5, got '6'"),
        (
            lambda text: text.replace("workbook,", "code,", 1),
            "line 1: no column workbook; the columns of its first line are code, sheet",
        ),
        (lambda text: text.replace("A fox", "A dog", 1), "line 2: the row was changed; its prompt was 'A fox"),
        (lambda text: text.replace('"E"', '"Z"', 1), "the row was changed; sheet, row and column"),
        (lambda text: text.rsplit('"', 14)[0], "is missing"),
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
    assert len(read(path, key)[0]) == 9


SAVED = {
    "by a spreadsheet": lambda text: text.replace('"', "").replace("\r\n", ",,\r\n") + ",,,,,,\r\n" * 3,
    "with headings in capitals": lambda text: text.replace("rating", " Rating", 1).replace("sheet", "SHEET ", 1),
    "in another Unicode form": lambda text: text.replace("caf\u00e9", "cafe\u0301"),
    "as UTF-16": lambda text: text.encode("utf-16"),
    "with ratings as texts": lambda text: text.replace('"4"\r\n', '" 4.0"\r\n'),
    "with line ends of old Macs": lambda text: text.replace("\r\n", "\r"),
    "with columns of one's own": lambda text: "".join(f'"note",{line}' for line in text.splitlines(keepends=True)),
}


@pytest.mark.parametrize("program", SAVED)
def test_a_table_that_another_program_saved_is_read(tmp_path, program):
    prompt = {"id": "p-1", "topic": "topic", "prompt": "A caf\u00e9.", "images": {name: "x" for name in IMAGE_SETS}}
    key = assignment.assign_images("rater_1", [prompt], IMAGE_SETS, 2, 0)
    saved = SAVED[program](table(key, lambda row: 4))
    path = tmp_path / "rater_1.csv"
    path.write_bytes(saved if isinstance(saved, bytes) else saved.encode())
    ratings, missing, defects = read(path, key)
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
