"""Modification times of files that Snakemake compares."""

import os
import shutil
import time

import pytest

from detailscribe.workflow.mtimes import MARK, clamp_future_mtimes, copied_without_times


def test_times_after_a_clock_was_set_back_keep_their_order(tmp_path):
    results, day = tmp_path / "results", 86_400
    folder = results / "s" / "images" / "original-1" / "000-of-001"
    folder.mkdir(parents=True)
    manifest, shard = folder.with_suffix(".jsonl"), results / "s" / "shards" / "000-of-001.jsonl"
    shard.parent.mkdir()
    for path in (manifest, shard):
        path.touch()
    (tmp_path / "resources" / "interacting").mkdir(parents=True)
    source = tmp_path / "resources" / "interacting" / "toy.jsonl"
    source.touch()
    seconds = results / "s" / "ledgers" / "seconds" / "original-1" / "000-of-001.jsonl"
    seconds.parent.mkdir(parents=True)
    seconds.touch()
    order = [source, shard, folder, manifest, seconds]
    start = time.time()
    for number, path in enumerate(order):
        os.utime(path, (start, start + day + number))
    clamp_future_mtimes(results, tmp_path / "resources")
    times = [path.stat().st_mtime for path in order]
    assert times == sorted(times) and times[-1] <= time.time()
    assert [round(time - times[0]) for time in times] == [0, 1, 2, 3, 4]
    settled = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    clamp_future_mtimes(results, tmp_path / "resources")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == settled


@pytest.mark.parametrize(
    ("copy", "copied"), [(shutil.copyfile, True), (shutil.copy2, False)], ids=["without times", "with times"]
)
def test_a_copy_without_times_is_noticed_once(tmp_path, copy, copied):
    old, new = tmp_path / "old", tmp_path / "new"
    assert not copied_without_times(old, settle=True) and not copied_without_times(old, settle=True)
    shutil.copytree(old, new, copy_function=copy)
    assert (new / MARK).is_file()
    for _ in range(2):  # plans
        assert copied_without_times(new, settle=False) is copied
    assert copied_without_times(new, settle=True) is copied
    assert not copied_without_times(new, settle=False)
