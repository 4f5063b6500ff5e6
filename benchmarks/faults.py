"""Fault injection: machine faults in a small study on the miniature; does the next run complete it correctly?

    make faults                    all of it, about a quarter of an hour on two cores
    python benchmarks/faults.py --seed 7 --only truncated_image

A fault is survived if the tables, the dictionary, the dropped rows and every image end with the bytes of an undisturbed
run, nothing that was finished is made again, and a run that could not continue gave the reason in one message, with no
traceback. Prints a table, then one line of JSON. Needs root for the full disk and the read-only folder.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from faults_campaign import Campaign, Skipped
from faults_files import corrupted_exchange, half_written_weights, torn_ledger, truncated_image, truncated_manifest
from faults_kills import kills
from faults_machine import clock_set_back, full_disk, read_only_results, two_runs_at_once

FAULTS: list[Callable] = [
    *(full_disk, read_only_results, two_runs_at_once, clock_set_back, truncated_manifest),
    *(truncated_image, corrupted_exchange, half_written_weights, torn_ledger),
]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, default=0, help="of the random moments and sizes")
    options.add_argument("--only", nargs="+", help="names of faults", choices=["kills", *(f.__name__ for f in FAULTS)])
    options = options.parse_args()
    start, outcomes, skipped = time.monotonic(), [], {}
    # The folders of a failed fault are kept, to be examined.
    folder = Path(tempfile.mkdtemp(prefix="faults-")).resolve()
    campaign = Campaign(folder, options.seed)
    print(f"undisturbed run: {time.monotonic() - start:.0f} s, in {folder}", flush=True)

    def report(name: str, outcome: str) -> None:
        outcomes.append(not outcome)
        print(f"{'survived' if not outcome else 'LOST':9} {name}{': ' * bool(outcome)}{outcome}", flush=True)

    for fault in FAULTS:
        if options.only and fault.__name__ not in options.only:
            continue
        try:
            fault(campaign)
            report(fault.__name__, "")
        except Skipped as reason:
            skipped[fault.__name__] = str(reason)
            print(f"{'skipped':9} {fault.__name__}: {reason}", flush=True)
        except (AssertionError, OSError, ValueError) as error:
            report(fault.__name__, f"{type(error).__name__}: {error}")
    if not options.only or "kills" in options.only:
        for name, outcome in kills(campaign):
            report(name, outcome)
    if all(outcomes) and not skipped:
        shutil.rmtree(folder)
    figures = {"tried": len(outcomes), "survived": sum(outcomes), "skipped": skipped, "seed": options.seed}
    print(json.dumps(figures | {"seconds": round(time.monotonic() - start)}))
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
