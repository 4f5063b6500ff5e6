"""The slurm profile on a real Slurm: the same tables as without it; jobs that Slurm ends are resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, lacking
from tests.workflow.small_study import REPOSITORY

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(bool(lacking()), reason=lacking())]

ARGUMENTS = ["demo", "--config", 'study=["demo"]', "shards=1"]
IMPATIENT = [
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"),
    *("--seconds-between-status-checks", "2", "--latency-wait", "5", "--retries", "0"),
]
TABLES = ["tables/main.csv", "tables/published.csv", "dropped.tsv", "dictionary.jsonl"]
TIMEOUT_S = 300


def start(folder: Path, env: dict, *arguments: str) -> subprocess.Popen:
    """Start a run in this folder, with its output in run.log."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), *arguments]
    with open(folder / "run.log", "ab") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)


def wait_for(condition, process: subprocess.Popen, log: Path):
    """Wait until the condition is true, while the run goes on; return its value."""
    end = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.1)
    return found


def originals(folder: Path) -> dict[Path, int]:
    """When each initial image was written."""
    images = (folder / "results" / "demo" / "images").glob("original-*/*/*.jpg")
    return {path: path.stat().st_mtime_ns for path in images}


def running(cluster: Cluster, rule: str) -> list[str]:
    """Numbers of a rule's running jobs."""
    return [number for number, state in cluster.jobs(rule).items() if state == "RUNNING"]


def stop_scripts(folder: Path, signal_number: int) -> int:
    """Send a signal to the running job scripts of this folder, and return their number."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_script(path, folder)]
    for pid in pids:
        os.kill(pid, signal_number)
    return len(pids)


def _is_script(process: Path, folder: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return (process / "cwd").resolve() == folder and any(b".generate_images.py" in word for word in words)
    except OSError:
        return False


def test_a_scenario_on_slurm_survives_its_lost_jobs_and_gives_the_tables_of_a_local_run(tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    local = start(tmp_path / "local", env, *ARGUMENTS, "--cores", "2", "--resources", "gpu=2")
    assert local.wait() == 0, (tmp_path / "local" / "run.log").read_text()[-4000:]

    folder = tmp_path / "slurm"
    log = folder / "run.log"
    with Cluster(tmp_path / "cluster") as cluster:
        arguments = [*ARGUMENTS, "--workflow-profile", str(REPOSITORY / "profiles" / "slurm"), *IMPATIENT]

        # A job is cancelled after its first image.
        run = start(folder, cluster.env, *arguments)
        number = wait_for(lambda: originals(folder) and running(cluster, "generate_images"), run, log)[0]
        described = cluster.run("scontrol", "show", "job", number)
        assert "gpu:1" in described and "Partition=gpu" in described and "TimeLimit=04:00:00" in described, described
        cluster.run("scancel", number)
        assert run.wait(TIMEOUT_S) != 0
        assert cluster.jobs("generate_images")[number] == "CANCELLED"
        kept = originals(folder)

        # One hangs after another image, and Slurm kills it at its limit of a minute.
        run = start(folder, cluster.env, *arguments, "--set-resources", "generate_images:runtime=1")
        wait_for(lambda: len(originals(folder)) > len(kept) and stop_scripts(folder, signal.SIGSTOP), run, log)
        assert run.wait(TIMEOUT_S) != 0
        assert "TIMEOUT" in cluster.jobs("generate_images").values()
        kept |= originals(folder)

        run = start(folder, cluster.env, *arguments)
        assert run.wait(2 * TIMEOUT_S) == 0, log.read_text()[-4000:]
    assert {path: time for path, time in originals(folder).items() if path in kept} == kept
    for table in TABLES:
        ours, theirs = (path / "results" / "demo" / table for path in (folder, tmp_path / "local"))
        assert ours.read_bytes() == theirs.read_bytes(), table
