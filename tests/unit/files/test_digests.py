"""Content digests."""

from detailscribe.files.digests import digest


def test_digest_depends_on_content_and_not_on_key_order():
    assert digest({"a": 1, "b": "é"}) == digest({"b": "é", "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})
