"""Import of images: the file of each prompt, from a table."""

import json

import pytest
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.images.import_table import files_named_by, read_image_table
from detailscribe.methods.external import imported_requests

RECORDS = [{"id": f"{name}-1", "topic": name, "prompt": f'A {name}, "here".'} for name in ("fox", "hen", "owl", "cat")]
ROWS = [
    {"id": "fox-1", "file": "pictures/a.png"},
    {"prompt": RECORDS[1]["prompt"], "file": "b.jpg"},
    {"id": "owl-1", "file": "", "reason": "declined by the service"},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "pictures" / "a.png")
    Image.new("RGB", (4, 4), "blue").save(tmp_path / "b.jpg")
    return tmp_path


def written(folder, suffix, rows=ROWS):
    table = folder / f"table{suffix}"
    if suffix == ".jsonl":
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return table
    separator = {".csv": ",", ".tsv": "\t"}[suffix]
    quoted = [[f'"{row.get(key, "")}"'.replace('"here"', '""here""') for key in COLUMNS] for row in rows]
    table.write_text("\n".join(separator.join(line) for line in [COLUMNS, *quoted]) + "\n")
    return table


COLUMNS = ["id", "prompt", "file", "reason"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_table_names_images_by_id_or_prompt_and_refusals_are_rows(folder, suffix):
    table = written(folder, suffix)
    requests, files = imported_requests(RECORDS, {"table": table}, "mine", {"x": 1})
    assert [(request.id, request.status) for request in requests] == [
        *(("fox-1", "ok"), ("hen-1", "ok")),
        *(("owl-1", "refused"), ("cat-1", "failed")),
    ]
    assert requests[2].reason == "declined by the service"
    assert requests[3].reason == f"no row for it in {table}"
    assert files == {"fox-1": folder / "pictures" / "a.png", "hen-1": folder / "b.jpg"}
    assert len({request.key for request in requests[:2]}) == 2
    assert files_named_by(table) == [table, folder / "b.jpg", folder / "pictures" / "a.png"]


def test_a_missing_file_or_one_that_is_no_image_fails_alone(folder):
    (folder / "b.jpg").write_text("no image")
    (folder / "pictures" / "a.png").unlink()
    requests, files = imported_requests(RECORDS[:2], {"table": written(folder, ".csv")}, "mine", {})
    assert [request.status for request in requests] == ["failed", "failed"] and files == {}
    assert "there is no file" in requests[0].reason and "is not a readable image" in requests[1].reason


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "file\na.png\n", "line 2: neither id nor prompt"),
        ("t.csv", "id,file\na,x.png\na,y.png\n", "line 3: 'a' is there twice"),
        ("t.jsonl", '{"id": "a"\n', "line 1: not JSON"),
        ("t.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("t.xlsx", "", "a .csv, .tsv or .jsonl file"),
    ],
)
def test_the_error_names_the_table_and_the_line(tmp_path, name, text, message):
    table = tmp_path / name
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        imported_requests(RECORDS, {"table": table}, "mine", {})


def test_a_table_with_a_byte_order_mark_is_read(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id,file\na,x.png\n", encoding="utf-8-sig")
    assert read_image_table(table) == [(2, {"id": "a", "file": "x.png"})]
