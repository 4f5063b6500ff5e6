"""Modification times of files that Snakemake compares."""

import os
import time

from detailscribe.workflow.mtimes import clamp_future_mtimes


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
