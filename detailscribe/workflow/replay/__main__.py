"""Replay runs: Snakemake on a study whose images may be missing, all scripts as forks of one process.

`python -m detailscribe.workflow.replay SCRIPT ...` imports what the scripts import, then reads one JSON object a line
from standard input, {arguments, cores, output}: Snakemake's arguments, how many scripts run at a time, and the file for
everything that is printed. It answers each with the exit status. The end of the input ends it.
"""

import functools
import json
import sys
from pathlib import Path

from detailscribe.workflow.replay.forks import fork, import_for_scripts
from detailscribe.workflow.replay.process import run_snakemake


def serve(scripts: list[Path]) -> None:
    """Run Snakemake in the working folder for each request on standard input."""
    import_for_scripts(scripts)
    for line in sys.stdin:
        print(fork(functools.partial(run_snakemake, **json.loads(line))), flush=True)


if __name__ == "__main__":
    serve([Path(script) for script in sys.argv[1:]])
