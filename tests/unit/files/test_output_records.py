"""Records of outputs."""

from pathlib import Path

from detailscribe.files.digests import file_sha256
from detailscribe.files.output_records import forget_outputs, record_outputs, recorded_outputs, recorded_sha256


def test_a_finished_file_is_recorded_and_forgotten_before_it_is_written_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results, output = Path("results"), Path("results/s/scores/clip/000-of-001.jsonl")
    output.parent.mkdir(parents=True)
    output.write_text("{}\n")
    written = Path("resources/written/x.jsonl")
    written.parent.mkdir(parents=True)
    written.write_text("{}\n")
    record_outputs(results, [output, written, Path("results/none.csv"), Path("/etc/hostname"), Path("../x")])
    assert [path for path, _ in recorded_outputs(results)] == [written, output]
    assert recorded_sha256(results, output) == file_sha256(output)
    written.unlink()
    forget_outputs(results, [output])
    assert list(recorded_outputs(results)) == [] and recorded_sha256(results, output) is None


def test_a_record_that_cannot_be_read_is_none(tmp_path):
    results, output = tmp_path / "results", tmp_path / "results" / "a.csv"
    output.parent.mkdir()
    output.write_text("1")
    for text in ("", "[" * 100_000, "[]", "{}"):
        record_outputs(results, [output])
        [record] = (results / ".outputs").rglob("*.json")
        record.write_text(text)
        assert recorded_sha256(results, output) is None and list(recorded_outputs(results)) == []
