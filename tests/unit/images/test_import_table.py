"""Import of images: the file of each prompt, from a table."""

import json

import pytest

from detailscribe.errors import InputError
from detailscribe.images.import_table import files_named_by, read_image_table
from detailscribe.methods.external import imported_requests
from tests.sample_images import smooth_image

RECORDS = [{"id": f"{name}-1", "topic": name, "prompt": f'A {name}, "here".'} for name in ("fox", "hen", "owl", "cat")]
ROWS = [
    {"id": "fox-1", "file": "pictures/a.png"},
    {"prompt": RECORDS[1]["prompt"], "file": "b.jpg"},
    {"id": "owl-1", "file": "", "reason": "declined by the service"},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    smooth_image(4, 4).save(tmp_path / "pictures" / "a.png")
    smooth_image(4, 4, seed=1).save(tmp_path / "b.jpg")
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
        ("t.csv", "file\na.png\n", "line 1: no column id or prompt"),
        ("t.csv", "id,image\na,x.png\n", "line 1: no column file; the columns of its first line are id, image"),
        ("t.csv", "id,file\na,x.png\n,y.png\n", "line 3: neither id nor prompt"),
        ("t.csv", "id,file\na,x.png\na,y.png\n", "line 3: 'a' is there twice"),
        ("t.csv", "prompt,file\ncaf\u00e9,x.png\ncafe\u0301,y.png\n", "line 3: 'caf\u00e9' is there twice"),
        ("t.jsonl", '{"id": "a", "picture": "x.png"}\n', "no row has a key file; the keys are id, picture"),
        ("t.jsonl", '{"id": "a"\n', "line 1: invalid JSON"),
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


FOX, HEN = ({"id": f"{name}-1", "file": f"{name}.png"} for name in ("fox", "hen"))
ALIKE = {
    "blanks in the header": ("t.csv", "id, file\nfox-1, fox.png\nhen-1 ,hen.png\n"),
    "capitals": ("t.CSV", "ID,File\nfox-1,fox.png\nhen-1,hen.png\n"),
    "semicolons": ("t.csv", "id;file\nfox-1;fox.png\nhen-1;hen.png\n"),
    "tabs in a CSV": ("t.csv", "id\tfile\nfox-1\tfox.png\nhen-1\then.png\n"),
    "commas in a TSV": ("t.tsv", "id,file\nfox-1,fox.png\nhen-1,hen.png\n"),
    "the separator in a first line": ("t.csv", "sep=;\nid;file\nfox-1;fox.png\nhen-1;hen.png\n"),
    "rows of separators": ("t.csv", ";;\nid;file;\nfox-1;fox.png;\n;;;\n;;\nhen-1;hen.png\n\n;;;;;;\n"),
    "rows of commas": ("t.csv", "id,file\n,,,\nfox-1,fox.png\n,\nhen-1,hen.png\n,,,\n"),
    "Windows": ("t.csv", "\ufeffid,file\r\nfox-1,fox.png\r\nhen-1,hen.png\r\n"),
    "old Macs": ("t.csv", "id,file\rfox-1,fox.png\rhen-1,hen.png\r"),
    "quoted": ("t.csv", '"id","file"\n"fox-1","fox.png"\n"hen-1","hen.png"'),
    "other columns": ("t.csv", "file,note,id\nfox.png,\u2028,fox-1\nhen.png,,hen-1\n"),
    "JSON lines": ("t.JSONL", '{"id": "fox-1", "File": "fox.png"}\n\n{"id": "hen-1", "file ": "hen.png"}\n'),
    "JSON with U+2028": (
        "t.jsonl",
        '{"id": "fox-1", "file": "fox.png", "n": "\u2028"}\n{"id":"hen-1","file":"hen.png"}',
    ),
}


@pytest.mark.parametrize("name", ALIKE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_all_programs_mean_the_same(tmp_path, name, encoding):
    file, text = ALIKE[name]
    (tmp_path / file).write_bytes(text.removeprefix("\ufeff").encode(encoding))
    rows = [row for _, row in read_image_table(tmp_path / file)]
    assert [{key: row[key].strip() for key in ("id", "file")} for row in rows] == [FOX, HEN]


def test_a_prompt_matches_in_either_unicode_form_and_so_does_a_file(tmp_path):
    table = tmp_path / "t.csv"
    smooth_image(4, 4).save(tmp_path / "cafe\u0301.png")
    table.write_text("prompt,file\nA cafe\u0301,caf\u00e9.png\n", encoding="utf-8")
    requests, files = imported_requests([{"id": "a", "prompt": "A caf\u00e9"}], {"table": table}, "mine", {})
    assert requests[0].status == "ok" and files["a"] == tmp_path / "cafe\u0301.png"
    assert files_named_by(table) == [table, files["a"]]


def test_a_windows_path_and_an_impossible_file_name_are_understood(folder):
    table = folder / "t.csv"
    table.write_text(f"id,file\nfox-1,pictures\\a.png\nhen-1,{'x' * 5000}\n")
    requests, files = imported_requests(RECORDS[:2], {"table": table}, "mine", {})
    assert files == {"fox-1": folder / "pictures/a.png"}
    assert requests[1].status == "failed" and "there is no file" in requests[1].reason
    assert files_named_by(table) == [table, folder / "pictures/a.png"]
