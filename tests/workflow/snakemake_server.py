"""Snakemake, imported once per test process: each run is a fork of a process that has imported it.

An import of Snakemake takes three times as long as a plan of the small study. A run differs from `python -m snakemake`
in nothing else; tests that need a process of their own, to kill it or with the real models, start one.
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from tests.paths import REPOSITORY


def run(arguments: list[str], folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run Snakemake in a folder.

    Returns:
        Its exit status, and what it printed.
    """
    server = _server()
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", errors="replace") as output:
        request = {"arguments": arguments, "folder": str(folder), "env": env, "output": output.name}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = server.stdout.readline()
        assert status, "the process that forks for Snakemake has ended"
        return int(status), output.read()


@functools.cache
def _server() -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workflow.snakemake_server"],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # a fork takes no threads along
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)  # the end of its input ends it
    return process


def serve() -> None:
    """Fork for each request on standard input, and answer with the exit status."""
    import jsonschema  # noqa: F401
    import snakemake.cli  # noqa: F401

    import detailscribe.workflow.prepare
    import detailscribe.workflow.start  # noqa: F401

    for line in sys.stdin:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _snakemake(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _snakemake(arguments: list[str], folder: str, env: dict[str, str], output: str) -> None:
    """Become Snakemake's process."""
    status = 1
    try:
        for number, target in enumerate((os.devnull, output, output)):
            os.dup2(os.open(target, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND), number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        sys.path[0] = folder
        sys.argv = ["snakemake", *arguments]
        from snakemake.cli import main

        main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the end of the process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
