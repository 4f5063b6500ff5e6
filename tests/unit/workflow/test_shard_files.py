"""Another number of shards moves finished work and makes nothing again."""

import json
from pathlib import Path

import pytest
from PIL import Image

from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.image_set import ImageRequest, make_images
from detailscribe.images.seconds import LEDGERS, seconds_of
from detailscribe.study.shards import shard_names, shard_of
from detailscribe.workflow.shard_files import reshard

IDS = [f"id-{number}" for number in range(12)]
MEASURED = {"processor": "card", "first": False}


@pytest.fixture
def scenario(tmp_path):
    """A scenario of twelve images and scores in two shards, outputs and ledgers as jobs leave them."""
    folder = tmp_path / "results" / "s"
    for shard in shard_names(2):
        ids = [id for id in IDS if shard_of(id, 2) == shard]
        write_rows(folder / "shards" / f"{shard}.jsonl", [{"id": id} for id in ids])
        write_rows(folder / "decompositions" / f"{shard}.jsonl", [{"id": id, "status": "ok"} for id in ids])
        ledger = Ledger(folder / "ledgers" / "scores" / "clip_score" / f"{shard}.jsonl")
        for id in ids:
            ledger.add({"id": id, "key": f"key of {id}", "score": 1.0})
        taken = Ledger(folder / LEDGERS / "original-1" / f"{shard}.jsonl")
        for id in ids:
            taken.add({"id": id, "key": f"key of {id}", "seconds": 1.5, "steps": 28, "images": 1} | MEASURED)
        draw(folder.parent, shard, ids)
    return folder


def draw(results, shard, ids) -> list[str]:
    """Make the images of a shard; the ids that had to be drawn."""
    drawn = []

    def painter(requests):
        drawn.extend(request.id for request in requests)
        return [Image.new("RGB", (8, 8), (IDS.index(request.id) * 20, 90, 0)) for request in requests]

    requests = [ImageRequest(id, "original-1", prompt=id, seed=1, recipe={"id": id}) for id in ids]
    make_images(results, "s", shard, ["original-1"], requests, {"format": "png", "quality": 75}, painter, dict)
    return drawn


def redrawn(folder, count) -> list[str]:
    """Ids whose images the jobs of a layout make again."""
    return [
        id
        for shard in shard_names(count)
        for id in draw(folder.parent, shard, [id for id in IDS if shard_of(id, count) == shard])
    ]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_another_number_of_shards_moves_everything_and_draws_nothing(scenario, count):
    reshard(scenario, shard_names(count))
    assert not list(scenario.rglob("*-of-002*"))
    assert len(list(scenario.glob("images/original-1/*/*.png"))) == len(IDS)
    assert redrawn(scenario, count) == []
    rows = [row for path in scenario.glob("images/original-1/*.jsonl") for row in read_rows(path)]
    assert all(file_sha256(scenario.parent / row["file"]) == row["sha256"] for row in rows)
    scores = [Ledger(path).rows() for path in scenario.glob("ledgers/scores/clip_score/*.jsonl")]
    assert sorted(row["id"] for rows in scores for row in rows) == sorted(IDS)
    assert sorted(id for id, _ in seconds_of(scenario, "original-1")) == sorted(IDS)
    assert len(list((scenario / LEDGERS / "original-1").iterdir())) == count


def test_there_and_back_again(scenario):
    reshard(scenario, shard_names(3))
    write_rows(scenario / "shards" / f"{shard_names(3)[0]}.jsonl", [])
    reshard(scenario, shard_names(2))
    assert redrawn(scenario, 2) == []


def test_a_move_that_was_cut_short_is_finished_by_the_next(scenario, monkeypatch):
    import detailscribe.workflow.shard_files

    calls = []

    def dies(*arguments):
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(detailscribe.workflow.shard_files, "write_ledger", dies)
    with pytest.raises(KeyboardInterrupt):
        reshard(scenario, shard_names(3))
    monkeypatch.undo()
    assert calls
    reshard(scenario, shard_names(3))
    assert redrawn(scenario, 3) == []


def test_the_same_layout_is_left_alone(scenario):
    before = {path: path.stat().st_mtime_ns for path in scenario.rglob("*")}
    reshard(scenario, shard_names(2))
    assert {path: path.stat().st_mtime_ns for path in scenario.rglob("*")} == before


def test_rows_are_json_lines(scenario):
    text = next(scenario.glob("images/original-1/*.jsonl")).read_text()
    assert all(json.loads(line)["status"] == "ok" for line in text.splitlines())


@pytest.mark.parametrize(
    "file",
    [
        "../../outside/secret.txt",
        "/etc/hostname",
        "s/images/original-1/../../../../outside/{name}",
        "s/images/original-2/000-of-002/{name}",
        "other/images/original-1/000-of-002/{name}",
        "s/images/original-1/000-of-002/id-1-0123456789abcdef.png",
        "s\\images\\original-1\\{name}",
        None,
        7,
        ["s"],
    ],
)
def test_a_ledger_that_names_another_file_moves_nothing(scenario, file):
    results = scenario.parent
    outside = results.parent / "outside" / "secret.txt"
    outside.parent.mkdir()
    outside.write_text("secret")
    path = next(scenario.glob("ledgers/images/original-1/*.jsonl"))
    row = Ledger(path).rows()[0]
    name = row["file"].rpartition("/")[2]
    for other in (results / "other" / "images", scenario / "images" / "original-2"):
        (other / "000-of-002").mkdir(parents=True)
        (other / "000-of-002" / name).write_text("not ours")
    Ledger(path).add(row | {"file": file.format(name=name) if isinstance(file, str) else file})
    reshard(scenario, shard_names(3))
    assert outside.read_text() == "secret" and len(list(outside.parent.iterdir())) == 1
    assert redrawn(scenario, 3) == [row["id"]]
    moved = {Path(row["file"]).parts[:3] for path in scenario.glob("ledgers/images/*/*") for row in Ledger(path).rows()}
    assert moved == {("s", "images", "original-1")}
