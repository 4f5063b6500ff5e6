"""Faults of the machine: a full disk, a read-only folder, two runs at once, a clock that was set back."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from faults_campaign import TIMEOUT_S, Campaign, Skipped, ends, finished_work, same, stops

DAY_S = 86_400


def full_disk(campaign: Campaign) -> None:
    """A disk with room for only part of the run, twice; without ballast it holds the finished study two times."""
    size = 2 * disk_usage(campaign.reference.folder)
    for number, room in enumerate(campaign.random.sample(range(100_000, 700_000), 2)):
        folder = campaign.folder / f"full-{number}"
        folder.mkdir()
        with mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder), at=folder):
            study = campaign.fresh(folder.name)
            ballast = folder / "ballast"
            free = os.statvfs(folder)
            ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - room))
            stops(study, "the disk is full", "make room", "No space left on device")  # the last is Snakemake's own
            kept = finished_work(study)
            ballast.unlink()
            campaign.check(study, kept)


def disk_usage(folder: Path) -> int:
    """Bytes that the files and folders below a folder take on disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))


def read_only_results(campaign: Campaign) -> None:
    """A results folder that is read-only."""
    study = campaign.finished("read-only")
    (study.results / "small" / "tables" / "main.csv").unlink()
    with mounted("--bind", str(study.results), str(study.results), at=study.results):
        mount("-o", "remount,bind,ro", str(study.results))
        stops(study, "is not writable", "correct its permissions")
    campaign.check(study, finished_work(study))


@contextlib.contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[None]:
    """Mount, and unmount at the end."""
    mount(*arguments)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def mount(*arguments: str) -> None:
    """Run mount.

    Raises:
        Skipped: mount is not allowed.
    """
    run = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if run.returncode:
        raise Skipped(f"mount is not allowed here ({run.stderr.strip()})")


def two_runs_at_once(campaign: Campaign) -> None:
    """Two runs started together: one works, the other ends with a message."""
    study = campaign.finished("two")
    for path in study.results.glob("small/*/*/*.jsonl"):
        if "ledgers" not in path.parts:
            path.unlink()
    runs = [
        subprocess.Popen(
            study.command(), cwd=study.folder, env=study.env(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [run.communicate(timeout=TIMEOUT_S)[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], outputs
    refused = next(output for run, output in zip(runs, outputs, strict=True) if run.returncode)
    assert "another run works in results/" in refused and "Traceback" not in refused, refused[-2000:]
    campaign.check(study, finished_work(study))


def clock_set_back(campaign: Campaign) -> None:
    """A clock set back by a day: all files have mtimes of tomorrow, and then a setting changes."""
    other = {"generation": {"guidance": 2.0, "steps": 4}}
    undisturbed, study = campaign.finished("clock-right"), campaign.finished("clock-back")
    for path in study.folder.rglob("*"):
        stat = path.lstat()
        os.utime(path, (stat.st_atime, stat.st_mtime + DAY_S), follow_symlinks=False)
    for each in (undisturbed, study):
        each.snakemake(**other)
    same(ends(study), ends(undisturbed))
    assert study.nothing_to_do(**other)
    campaign.check(study)
