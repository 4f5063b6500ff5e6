"""Job scripts as forks of processes that have imported what scripts import: a light job in 0.05 s instead of 2 s."""

import ast
import functools
import importlib
import os
import queue
import runpy
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

SLOW_IMPORTS = (
    *("jsonschema", "matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("pandas", "PIL.Image", "scipy.stats", "snakemake.cli", "detailscribe.workflow.prepare"),
)

WITH_PARSER = ("find_noun_phrases", "list_parts")  # scripts that load spaCy, inside functions


def import_for_scripts(scripts: Iterable[Path]) -> None:
    """Import what these scripts import, so that their forks need not; what is not installed is left out."""
    paths = sorted(scripts)
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    imports = {node.module for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    parser = ["spacy"] if any(path.stem in WITH_PARSER for path in paths) else []
    own = sorted(name for name in imports if name and name.startswith("detailscribe"))
    for module in (*SLOW_IMPORTS, *parser, *own):
        try:
            importlib.import_module(module)
        except ImportError:
            continue  # the job that needs it says so


def fork(action: Callable[[], object]) -> int:
    """Exit status of a process of its own that does this."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        action()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class ScriptForks:
    """Helpers that fork for scripts; started before Snakemake has threads, which no fork takes along.

    Args:
        count: Scripts that may run at a time.
    """

    def __init__(self, count: int):
        self._free: queue.Queue[tuple[TextIO, TextIO]] = queue.Queue()
        for _ in range(count):
            self._free.put(self._start())

    def use_in_snakemake(self) -> None:
        """Have Snakemake run the scripts of its jobs here. Where it runs them in another way, they run that way."""
        from snakemake import script

        if not hasattr(script.PythonScript, "execute_script"):
            return

        def execute_script(job, fname: str, edit: bool = False) -> None:
            start = time.monotonic()
            status = self._run(fname)
            if job.bench_record:
                job.bench_record.running_time = time.monotonic() - start
            if status:
                raise subprocess.CalledProcessError(status, fname)

        script.PythonScript.execute_script = execute_script

    def _run(self, script: str) -> int:
        helper = self._free.get()
        try:
            requests, statuses = helper
            print(script, file=requests, flush=True)
            return int(statuses.readline() or 1)
        finally:
            self._free.put(helper)

    @staticmethod
    def _start() -> tuple[TextIO, TextIO]:
        requests, statuses = os.pipe(), os.pipe()
        if not os.fork():
            os.close(requests[1])
            try:
                with open(requests[0], encoding="utf-8") as scripts:
                    for path in scripts:
                        run = functools.partial(runpy.run_path, path.rstrip("\n"), run_name="__main__")
                        os.write(statuses[1], f"{fork(run)}\n".encode())
            finally:
                os._exit(0)
        os.close(requests[0])
        os.close(statuses[1])
        return open(requests[1], "w", encoding="utf-8"), open(statuses[0], encoding="utf-8")
