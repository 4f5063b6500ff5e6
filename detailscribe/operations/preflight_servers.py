"""Preflight of served models: whether the programs of the servers that jobs start are installed on this machine."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from detailscribe.llm.served.kinds import LLAMA_CPP_PYTHON, is_served, server_command, server_program

TIMEOUT_S = 60
LLAMA_RELEASES = "https://github.com/ggml-org/llama.cpp/releases/tag"
PACKAGES = {"vllm": "vllm", "transformers": "transformers[serving]", LLAMA_CPP_PYTHON: "llama-cpp-python[server]"}
# `find_spec` of a module inside a package would import the package.
FIND = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"


def missing_programs(
    names: Iterable[str], endpoints: dict[str, dict], starts: Callable[[], Iterable[str | None]] | None = None
) -> list[str]:
    """A sentence for each endpoint whose jobs would start a server that is not installed, with the way out.

    Args:
        names: Of endpoints that jobs ask.
        endpoints: Config entries by name.
        starts: Which of these endpoints a job has anything to ask; called only if a program is missing. None: all.
    """
    served = [name for name in dict.fromkeys(names) if is_served(endpoints[name])]
    missing = {name: problem for name in served if (problem := program_problem(endpoints[name]))}
    asked = set(starts()) if missing and starts else set(missing)
    return [f"Endpoint {name!r}: {problem}." for name, problem in missing.items() if name in asked]


def program_problem(endpoint: dict) -> str:
    """Why this machine cannot start an endpoint's server, with the way out; "" if nothing speaks against it."""
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
    return f"run `pip install '{PACKAGES[program]}=={version}'`, or name the program in `command`"


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
