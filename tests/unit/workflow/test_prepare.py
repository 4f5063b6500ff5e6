import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
import yaml
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.image_set import ImageRequest, make_images
from detailscribe.study.shards import shard_names, shard_of
from detailscribe.study.study import Study
from detailscribe.workflow.prepare import clamp_future_mtimes, is_incomplete, prepare
from detailscribe.workflow.reshard import reshard
from detailscribe.workflow.run_lock import is_dry_run, job_running, lock
from tests.paths import REPOSITORY

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
IDS = [f"id-{number}" for number in range(12)]


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
        draw(folder.parent, shard, ids)
    return folder


def draw(results, shard, ids) -> list[str]:
    """Make the images of a shard; the ids that had to be drawn."""
    drawn = []

    def painter(image_requests):
        drawn.extend(image_request.id for image_request in image_requests)
        return [Image.new("RGB", (8, 8), (IDS.index(image_request.id) * 20, 0, 0)) for image_request in image_requests]

    image_requests = [ImageRequest(id, "original-1", prompt=id, seed=1, recipe={"id": id}) for id in ids]
    make_images(results, "s", shard, ["original-1"], image_requests, {"format": "png", "quality": 75}, painter, {})
    return drawn


def redrawn(folder, count) -> list[str]:
    """What the jobs of a layout draw anew."""
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


def test_there_and_back_again(scenario):
    reshard(scenario, shard_names(3))
    write_rows(scenario / "shards" / f"{shard_names(3)[0]}.jsonl", [])
    reshard(scenario, shard_names(2))
    assert redrawn(scenario, 2) == []


def test_a_move_that_was_cut_short_is_finished_by_the_next(scenario, monkeypatch):
    import detailscribe.workflow.prepare

    calls = []

    def dies(*arguments):
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(detailscribe.workflow.prepare, "write_rows", dies)
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


@pytest.mark.parametrize(
    ("file", "mine"), [("resources/interacting/toy_data_001.jsonl", False), ("resources/mine.jsonl", True)]
)
def test_a_broken_prompt_file_is_made_again_unless_it_is_the_users(tmp_path, monkeypatch, file, mine):
    repository = REPOSITORY
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text('{"topic"')
    study = Study({**config, "scenarios": {"demo": "config/prompts/demo.jsonl", "mine": file}}, repository)
    with pytest.raises(InputError) if mine else contextlib.nullcontext():
        prepare(study, tmp_path / "results")
    assert (tmp_path / file).exists() == mine


def test_only_one_holder_of_the_lock(tmp_path):
    first = lock(tmp_path / "results")
    assert first is not None
    assert lock(tmp_path / "results") is None
    first.close()
    assert lock(tmp_path / "results") is not None


def test_the_lock_waits_for_jobs_that_outlived_their_run(tmp_path):
    code = """
import time
from detailscribe.workflow.run_lock import job_running
with at_work():
    print(1, flush=True)
    time.sleep(1.5)
"""
    job = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE)
    job.stdout.readline()
    assert lock(tmp_path / "results", wait_for_jobs=True) is not None
    assert job.wait(timeout=1) == 0


def test_jobs_do_not_wait_for_each_other(tmp_path):
    with job_running(tmp_path), job_running(tmp_path):
        assert lock(tmp_path) is not None


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        ("-n", True),
        ("-np demo", True),
        ("demo --dry-run", True),
        ("--rulegraph dot", True),
        ("--lint=json", True),
        ("demo --cores 2", False),
        ("--nolock", False),
        ("-k --config note=-n", False),
    ],
)
def test_a_command_that_only_looks_is_known_by_its_options(line, looks):
    assert is_dry_run(line.split()) == looks


def test_rows_are_json_lines(scenario):
    text = next(scenario.glob("images/original-1/*.jsonl")).read_text()
    assert all(json.loads(line)["status"] == "ok" for line in text.splitlines())


def test_times_of_a_future_that_a_clock_was_set_back_from_keep_their_order(scenario, tmp_path):
    results, day = scenario.parent, 86_400
    folder = next((scenario / "images").glob("*/*/"))
    manifest, shard = folder.with_suffix(".jsonl"), scenario / "shards" / f"{folder.name}.jsonl"
    (tmp_path / "resources" / "interacting").mkdir(parents=True)
    source = tmp_path / "resources" / "interacting" / "toy.jsonl"
    source.touch()
    order = [source, shard, folder, manifest]
    start = time.time()
    for number, path in enumerate(order):
        os.utime(path, (start, start + day + number))
    clamp_future_mtimes(results, tmp_path / "resources")
    times = [path.stat().st_mtime for path in order]
    assert times == sorted(times) and times[-1] <= time.time()
    assert [round(time - times[0]) for time in times] == [0, 1, 2, 3]
    settled = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    clamp_future_mtimes(results, tmp_path / "resources")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == settled


@pytest.mark.parametrize("bytes_lost", [1, 5, 12])
def test_a_dictionary_that_lost_its_end_is_noticed(tmp_path, bytes_lost):
    write_rows(tmp_path / "prompts.jsonl", [{"id": id} for id in ("p", "q", "r")])
    write_rows(tmp_path / "dictionary.jsonl", [{"id": "p"}, {"id": "r"}])
    (tmp_path / "dropped.tsv").write_text("id\ttopic\nq\tfence\n")
    assert not is_incomplete(tmp_path)
    whole = (tmp_path / "dictionary.jsonl").read_bytes()
    (tmp_path / "dictionary.jsonl").write_bytes(whole[:-bytes_lost])
    assert is_incomplete(tmp_path) is (bytes_lost > 1)  # the last line end alone is no loss
