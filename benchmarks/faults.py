"""Fault injection: foreign input in seeded mutations, and machine faults in a small study.

    make faults                                       all of it, about half an hour on two cores
    make faults SEED=7                                other mutations, moments and sizes
    python benchmarks/faults.py --only replies --case 217      one case again, as its failure names it
    python benchmarks/faults.py --only truncated_image kills   some machine faults

Seeded cases (`tests/fault_cases/`) mutate what comes from outside: server replies, batches, images, archives,
workbooks, tables, prompt files, model replies, edited results, budgets with killed processes. A case passes if there
is no traceback, no key in any file, an end within its time, no paid answer lost, and no wrong number without a word.

Machine faults: a small study on the miniature is disturbed, and the next run must complete it: tables, dictionary,
dropped rows and images with the bytes of an undisturbed run, nothing that was finished made again, and the reason in
one message where a run could not continue. Needs root for the full disk and the read-only folder.

Prints a line per failure and per machine fault, then one line of JSON.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

from faults_campaign import Campaign, Skipped
from faults_files import corrupted_exchange, half_written_weights, torn_ledger, truncated_image, truncated_manifest
from faults_kills import kills
from faults_machine import clock_set_back, full_disk, read_only_results, two_runs_at_once

from tests.fault_cases.kind import Kind, run_cases
from tests.fault_cases.kinds import KINDS

FAULTS: list[Callable] = [
    *(full_disk, read_only_results, two_runs_at_once, clock_set_back, truncated_manifest),
    *(truncated_image, corrupted_exchange, half_written_weights, torn_ledger),
]


def main() -> None:
    names = [*(kind.name for kind in KINDS), *(fault.__name__ for fault in FAULTS), "kills"]
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, default=0, help="of the mutations, and of the random moments and sizes")
    options.add_argument("--only", nargs="+", default=names, help="names of kinds and of machine faults", choices=names)
    options.add_argument("--cases", type=float, default=1.0, help="factor on the number of cases of each kind")
    options.add_argument("--case", type=int, nargs="+", help="numbers of single cases")
    options = options.parse_args()
    # The folders of what failed are kept, to be examined.
    start, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="faults-")).resolve()
    print(f"seed {options.seed}, in {folder}", flush=True)
    kinds = [kind for kind in KINDS if kind.name in options.only]
    cases, failed = run_kinds(kinds, options.seed, options.cases, options.case, folder)
    figures = {"cases": cases, "failed_cases": failed, "seed": options.seed}
    machine = [name for name in names[len(KINDS) :] if name in options.only]
    passed = not failed
    if machine:
        outcomes, skipped = run_machine_faults(machine, options.seed, folder)
        passed = passed and all(outcomes)
        figures |= {"machine_faults": len(outcomes), "survived": sum(outcomes), "skipped": skipped}
    if passed:
        shutil.rmtree(folder)
    print(json.dumps(figures | {"seconds": round(time.monotonic() - start)}))
    sys.exit(0 if passed else 1)


def run_kinds(kinds: list[Kind], seed: int, factor: float, chosen: list[int] | None, folder: Path) -> tuple[int, int]:
    """Run kinds, one process each, as many at once as there are cores; returns the numbers of cases and failures."""
    cases = failed = 0
    workers, spawn = len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, max_tasks_per_child=1) as pool:
        tasks = [(kind.name, seed, chosen or list(range(max(1, round(kind.cases * factor)))), folder) for kind in kinds]
        for done in as_completed(pool.submit(run_kind, task) for task in tasks):
            name, count, seconds, problems = done.result()
            cases, failed = cases + count, failed + len(problems)
            print(f"{'passed' if not problems else 'FAILED':9} {name}: {count} cases, {seconds:.0f} s", flush=True)
            for number, problem in problems:
                print(f"          --only {name} --seed {seed} --case {number}: {problem}", flush=True)
    return cases, failed


def run_kind(task: tuple[str, int, list[int], Path]) -> tuple[str, int, float, list[tuple[int, str]]]:
    """Run the cases of one kind; returns its name, their number, the time, and the problems by case."""
    name, seed, numbers, folder = task
    start, kind = time.monotonic(), next(kind for kind in KINDS if kind.name == name)
    problems = list(run_cases(kind, seed, numbers, folder))
    return name, len(numbers), time.monotonic() - start, problems


def run_machine_faults(names: list[str], seed: int, folder: Path) -> tuple[list[bool], dict[str, str]]:
    """Run machine faults; returns whether each was survived, and the reasons of those that were skipped."""
    outcomes, skipped = [], {}
    start = time.monotonic()
    campaign = Campaign(folder, seed)
    print(f"undisturbed run: {time.monotonic() - start:.0f} s", flush=True)

    def report(name: str, outcome: str) -> None:
        outcomes.append(not outcome)
        print(f"{'survived' if not outcome else 'LOST':9} {name}{': ' * bool(outcome)}{outcome}", flush=True)

    for fault in FAULTS:
        if fault.__name__ not in names:
            continue
        try:
            fault(campaign)
            report(fault.__name__, "")
        except Skipped as reason:
            skipped[fault.__name__] = str(reason)
            print(f"{'skipped':9} {fault.__name__}: {reason}", flush=True)
        except (AssertionError, OSError, ValueError) as error:
            report(fault.__name__, f"{type(error).__name__}: {error}")
    if "kills" in names:
        for name, outcome in kills(campaign):
            report(name, outcome)
    return outcomes, skipped


if __name__ == "__main__":
    main()
