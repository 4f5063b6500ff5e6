"""Snakemake and the job scripts without the start of Python: forks of one process that has imported what they import.

A plan of the small study takes 0.5 s instead of 2 s so, and a light job 0.05 s instead of 0.2 s. The stubs of
`tests.stub_models` are in place. Everything else is as with `python -m snakemake`, which runs the real study, the runs
that are killed, and the small study that all others are compared with.
"""

import ast
import atexit
import functools
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.paths import REPOSITORY, STUB_PATH

SLOW_IMPORTS = ("jsonschema", "openai", "pandas", "PIL.Image", "scipy.stats", "snakemake.cli")


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
        assert status, "the server process has ended"
        return int(status), output.read()


@functools.cache
def _server() -> subprocess.Popen:
    """The process that forks; one per test process."""
    env = {"PYTHONPATH": os.pathsep.join(map(str, STUB_PATH)), "OMP_NUM_THREADS": "1"}  # threads do not survive a fork
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workflow.snakemake_server"],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.communicate)  # the end of its input ends it
    return process


def serve() -> None:
    """Fork for each request on standard input, and answer with the exit status."""
    for module in (*SLOW_IMPORTS, "detailscribe.workflow.prepare", *_modules_of_scripts()):
        importlib.import_module(module)
    for line in sys.stdin:
        print(_fork(functools.partial(_run_snakemake, **json.loads(line))), flush=True)


def _modules_of_scripts() -> list[str]:
    """Modules of the package that job scripts import."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "scripts").glob("*.py")]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return sorted({node.module for node in imports if node.module and node.module.startswith("detailscribe")})


def _fork(action: Callable[[], object]) -> int:
    """Exit status of a process that does this."""
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


def _run_snakemake(arguments: list[str], folder: str, env: dict[str, str], output: str) -> None:
    """Be Snakemake's process; a process beside it, which has no threads, forks for each script."""
    for number, (file, mode) in enumerate([(os.devnull, os.O_RDONLY), *[(output, os.O_WRONLY | os.O_APPEND)] * 2]):
        os.dup2(os.open(file, mode), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    requests, statuses = os.pipe(), os.pipe()
    helper = os.fork()
    if not helper:
        os.close(requests[1])
        with open(requests[0]) as scripts:
            for script in scripts:
                status = _fork(functools.partial(runpy.run_path, script.strip(), run_name="__main__"))
                os.write(statuses[1], f"{status}\n".encode())
        os._exit(0)
    os.close(requests[0])
    os.close(statuses[1])
    try:
        with open(requests[1], "w") as scripts, open(statuses[0]) as answers:
            _snakemake(arguments, scripts, answers)
    finally:
        os.waitpid(helper, 0)


def _snakemake(arguments: list[str], requests, statuses) -> None:
    """Run Snakemake, which sends its scripts to the helper."""
    from snakemake import cli, script

    lock = threading.Lock()

    def execute_script(self, fname: str, edit: bool = False) -> None:
        start = time.monotonic()
        with lock:
            print(fname, file=requests, flush=True)
            status = int(statuses.readline())
        if self.bench_record:
            self.bench_record.running_time = time.monotonic() - start
        if status:
            raise subprocess.CalledProcessError(status, fname)

    assert hasattr(script.PythonScript, "execute_script")
    script.PythonScript.execute_script = execute_script
    sys.argv = ["snakemake", *arguments]
    cli.main(arguments)


if __name__ == "__main__":
    serve()
