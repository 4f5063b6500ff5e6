"""Imported image sets: files found by id, and missing or unreadable ones."""

from PIL import Image

from detailscribe.methods.external import imported_requests, read_image

RECORDS = {id: {"id": id, "topic": f"topic {id}", "prompt": f"prompt {id}"} for id in ("a", "b")}


def test_imported_files_are_found_by_id_and_a_missing_one_is_reported(tmp_path):
    Image.new("RGBA", (8, 8)).save(tmp_path / "a.webp")
    image_requests, files = imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})
    assert [(image_request.status, image_request.id in files) for image_request in image_requests] == [
        ("ok", True),
        ("failed", False),
    ]
    assert "no file b.png" in image_requests[1].reason
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    assert (
        "b.png is not a readable image"
        in imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})[0][1].reason
    )
    assert read_image(files["a"]).mode == "RGB"
