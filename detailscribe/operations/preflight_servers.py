"""Preflight of served models: programs of the servers that jobs start, local weights, GPUs that a server needs."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.llm.served.kinds import LLAMA_CPP_PYTHON, is_served, needs_gpu, server_command, server_program
from detailscribe.scores.model_weights import is_at_hub
from detailscribe.study.served import locate_weights

TIMEOUT_S = 60
LLAMA_RELEASES = "https://github.com/ggml-org/llama.cpp/releases/tag"
PACKAGES = {"vllm": "vllm", "transformers": "transformers[serving]", LLAMA_CPP_PYTHON: "llama-cpp-python[server]"}
RELEASE = re.compile(r"\d+(\.\w+)+([+-].*)?")  # of a Python package
# `find_spec` of a module inside a package would import the package.
FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"


def missing_for_servers(
    names: Iterable[str],
    endpoints: dict[str, dict],
    starts: Callable[[], Iterable[str | None]] | None = None,
    folder: Path | None = None,
) -> list[str]:
    """A sentence for each program and for each local weight file that servers of jobs need and this machine lacks.

    Args:
        names: Of endpoints that jobs ask.
        endpoints: Config entries by name.
        starts: Which of these endpoints a job has anything to ask; called only if something is missing. None: all.
        folder: The workflow's own folder.
    """
    return [
        *_sentences(names, endpoints, program_problem, starts),
        *_sentences(names, endpoints, lambda entry: weights_problem(entry, folder), starts),
    ]


def missing_weights(names: Iterable[str], endpoints: dict[str, dict], folder: Path) -> list[str]:
    """A sentence for each local folder or file of weights that servers of jobs need and this machine lacks."""
    return _sentences(names, endpoints, lambda entry: weights_problem(entry, folder))


def few_gpus(
    names: Iterable[str],
    endpoints: dict[str, dict],
    gpus: int | None,
    starts: Callable[[], Iterable[str | None]] | None = None,
) -> list[str]:
    """A sentence for each number of GPUs that a server needs and the run's resource `gpu` does not allow.

    Snakemake would start such a job with fewer GPUs.

    Args:
        gpus: Most GPUs of all jobs together; None: no limit.
        names, endpoints, starts: As for `missing_for_servers`.
    """

    def problem(endpoint: dict) -> str:
        needed = needs_gpu(endpoint)
        if gpus is None or needed <= gpus:
            return ""
        few = f"its server needs {needed} GPU{'s' * (needed > 1)} (`tensor_parallel`), but this run may use {gpus}"
        return f"{few}: run with `--resources gpu={needed}`, or set `tensor_parallel: {gpus}`"

    return _sentences(names, endpoints, problem, starts)


def _sentences(
    names: Iterable[str],
    endpoints: dict[str, dict],
    problem_of: Callable[[dict], str],
    starts: Callable[[], Iterable[str | None]] | None = None,
) -> list[str]:
    """Each problem once, with the endpoints that have it."""
    served = [name for name in dict.fromkeys(names) if is_served(endpoints[name])]
    problems = {name: problem for name in served if (problem := problem_of(endpoints[name]))}
    asked = set(starts()) if problems and starts else set(problems)
    having: dict[str, list[str]] = {}
    for name, problem in problems.items():
        if name in asked:
            having.setdefault(problem, []).append(repr(name))
    return [
        f"Endpoint{'s' * (len(having_it) > 1)} {', '.join(having_it)}: {problem}."
        for problem, having_it in having.items()
    ]


def weights_problem(endpoint: dict, folder: Path | None = None) -> str:
    """Which local file or folder of an endpoint's weights is missing, and the remedy; "" for none, or for the hub's.

    Args:
        endpoint: Its config entry.
        folder: The workflow's own folder, in which a chat template may be.
    """
    if is_at_hub(endpoint):
        return ""  # a job of its own fetches them
    try:
        locate_weights(endpoint, folder)
    except (InputError, SetupError) as error:
        return str(error)
    return ""


def program_problem(endpoint: dict) -> str:
    """Why this machine cannot start an endpoint's server, and the remedy; "" if it can."""
    command, program = server_command(endpoint), server_program(endpoint)
    if not shutil.which(command[0]):
        return f"the program {command[0]!r} is not on this machine: {_remedy(endpoint, program)}"
    module = _module(command)
    if module and _is_python(command[0]) and not _has_module(command[0], module):
        return f"the Python of its command, {command[0]!r}, has no module {module!r}: {_remedy(endpoint, program)}"
    return ""


def _remedy(endpoint: dict, program: str) -> str:
    version = endpoint["version"]
    if program == "llama-server":
        get = f"install llama.cpp {version} ({LLAMA_RELEASES}/{version})"
        return f"{get}, name the program in `command`, or set `command: python -m {LLAMA_CPP_PYTHON}`"
    if not RELEASE.fullmatch(version):  # a build of llama.cpp is no version of llama-cpp-python
        return (
            f"run `pip install '{PACKAGES[program]}'` and set `version`, now {version!r}, to the one that `pip show` "
            "prints, or name the program in `command`"
        )
    own = "in an environment of its own, since it brings its own torch" if program == "vllm" else ""
    install = f"run `pip install '{PACKAGES[program]}=={version}'`"
    return f"{install} {own}, and name the program in `command`" if own else f"{install}, or name it in `command`"


def _module(command: list[str]) -> str:
    """The package of the module that a command runs with `python -m`."""
    return command[2].partition(".")[0] if len(command) > 2 and command[1] == "-m" else ""


def _is_python(program: str) -> bool:
    return bool(re.fullmatch(r"python[\d.]*", Path(program).name))


def _has_module(python: str, module: str) -> bool:
    """Whether a Python finds a module; true where it does not tell."""
    try:
        run = subprocess.run([python, "-c", FIND, module], capture_output=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return run.returncode != 1
