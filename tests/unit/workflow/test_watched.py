"""Listings of the user's folders and tables."""

from detailscribe.workflow.watched import listings, watched_folders, watched_tables
from tests.unit.study.configured import configured_study


def test_a_listing_names_every_file_with_size_and_time(tmp_path):
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "a.png").write_bytes(b"123")
    study = configured_study(external={"mine": {"folder": str(folder)}})
    assert watched_folders(study) == {"external-mine": folder}
    time = (folder / "below" / "a.png").stat().st_mtime_ns
    assert listings(study) == {"external-mine": [["below/a.png", 3, time]]}


def test_a_table_is_listed_with_the_files_that_it_names(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    table = tmp_path / "images.csv"
    table.write_text("id,file\nx,a.png\ny,missing.png\n")
    study = configured_study(external={"mine": {"table": str(table)}})
    assert watched_tables(study) == {"external-mine": table}
    (listed,) = listings(study).values()
    assert {name for name, _, _ in listed} == {str(table), str(tmp_path / "a.png")}
