"""Faults of processes: kill -9 of Snakemake, of its jobs, or of both, at random moments of a run."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from faults_campaign import TIMEOUT_S, Campaign, finished_work

from tests.workflow.small_study import Study

KILLS, CHAINS = 30, 3
DELAY_S = 3.0  # at most, after a moment: much is written when a job ends, and kills should strike within jobs too


def kills(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """Kill -9 at random moments, spread over a whole run; the study must then end like the undisturbed one."""
    whole, left, chain = made(campaign.reference), KILLS, 0
    while left:
        study, kept, tried = campaign.fresh(f"kills-{chain}", built=chain > 0), {}, []
        moments = sorted(campaign.random.uniform(0, whole) for _ in range(min(left, KILLS // CHAINS)))
        for moment in moments:
            victim = campaign.random.choice(["scheduler", "jobs", "scheduler and jobs"])
            running = kill(study, moment, victim, campaign.random.uniform(0, DELAY_S))
            if running is None:
                break  # the run ended first; another chain makes up for the rest
            kept = finished_work(study) | kept
            tried.append(f"kill -9 of {victim}, {running}")
        try:
            campaign.check(study, kept)
            outcome = "" if tried else "no run could be killed before it ended"
        except (AssertionError, OSError, ValueError) as error:
            outcome = f"{type(error).__name__}: {error}"
        yield from ((name, outcome) for name in tried or ["kill -9"])
        left, chain = left - max(len(tried), 1), chain + 1


def made(study: Study) -> int:
    """Progress of a run: files and ledger rows."""
    files = [path for place in ("results", "resources/exchanges") for path in (study.folder / place).rglob("*.*")]
    rows = sum(path.read_bytes().count(b"\n") for path in files if "ledgers" in path.parts and path.suffix == ".jsonl")
    return len(files) + rows


def kill(study: Study, moment: float, victim: str, delay_s: float) -> str | None:
    """Run until this progress and a while longer, then kill.

    Returns:
        What was running; None if the run had ended.
    """
    log = open(study.folder / "killed.log", "w+")  # noqa: SIM115 - closed with the process below
    with log:
        process = subprocess.Popen(
            study.command(), cwd=study.folder, env=study.env(), start_new_session=True, stdout=log, stderr=log
        )
        end = time.monotonic() + TIMEOUT_S
        while made(study) < moment and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(delay_s)
        jobs = scripts(study.folder)
        if process.poll() is not None:
            log.seek(0)
            assert process.returncode == 0, log.read()[-3000:]
            return None
        if victim != "jobs" or not jobs:
            process.kill()
        if victim != "scheduler":
            for pid in jobs:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
    return f"running: {', '.join(sorted(set(jobs.values()))) or 'Snakemake'}"


def scripts(folder: Path) -> dict[int, str]:
    """Running job scripts of a folder: name by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            names = [Path(word).name.split(".")[1] for word in words if "/scripts/tmp" in word]
            if names and (process / "cwd").resolve() == folder:
                found[int(process.name)] = names[0]
    return found
