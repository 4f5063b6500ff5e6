"""Source code behind the results of each stage: digests, and the record of those that gave the present results.

    make record-stages        (python -m tests.stage_sources) records the sources as they are now

A stage's sources are the module that owns it, the scripts of the rules that read its parameters, and what these import
from the package, without the rooms that only carry (language model transport, Snakemake harness, names of the study).
Metrics and refiners, which the configuration names and no module imports, are listed besides, each with its own
ALGORITHM. Comments, docstrings and blank lines do not count.
"""

import ast
import hashlib
import importlib
import io
import json
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from detailscribe import scores
from detailscribe.study import refinements
from detailscribe.workflow.parameters import STAGE_OWNERS
from tests.paths import REPOSITORY

RECORD = REPOSITORY / "tests" / "stage_sources.json"
# Rooms whose code changes no result, or shows in parameter files; and their modules that decide digests or costs.
CARRYING_ROOMS = ("llm", "operations", "study", "workflow")
DECIDING = ("detailscribe/llm/request.py", "detailscribe/llm/prices.py", "detailscribe/operations/budget/")
# Refiners whose images have the number of stage refine in their keys, and not one of their own.
NUMBERED_BY_STAGE = (refinements.PROMPT_SWITCH, refinements.FROM_SCRATCH)


def stages() -> dict[str, tuple[int, list[str]]]:
    """ALGORITHM and source files (relative to the repository) of each stage, metric and refiner."""
    found = {}
    refiners = _plugins(refinements.PACKAGE, refinements.REQUIRED_NAMES)
    unnumbered = [_path(refiners.pop(name).__name__) for name in NUMBERED_BY_STAGE]
    for owner in STAGE_OWNERS:
        roots = [_path(owner.__name__), *_scripts(owner.STAGE), *(unnumbered if owner.STAGE == "refine" else [])]
        found[owner.STAGE] = owner.ALGORITHM, sorted(_reachable(roots))
    metrics = _plugins(scores.__name__, scores.REQUIRED_NAMES)
    for kind, modules in (("metric", metrics), ("refiner", refiners)):
        for name, module in modules.items():
            found[f"{kind} {name}"] = module.ALGORITHM, sorted(_reachable([_path(module.__name__)]))
    return found


def _plugins(package: str, required: Sequence[str]) -> dict[str, Any]:
    """The modules of a package and those inside it that have what a plug-in must have, by their names in a config."""
    folder = REPOSITORY / package.replace(".", "/")
    names = [".".join(file.relative_to(folder).with_suffix("").parts) for file in sorted(folder.rglob("[a-z]*.py"))]
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    return {name: each for name, each in modules.items() if all(hasattr(each, part) for part in required)}


def problems(record: dict, present: dict[str, tuple[int, list[str]]]) -> list[str]:
    """A message for each stage, metric and refiner whose sources differ from the record.

    Args:
        present: `stages()`.
    """
    found = []
    for stage, (algorithm, files) in present.items():
        changed = [file for file in files if record["sources"].get(file) != source_digest(file)]
        if algorithm != record["algorithms"].get(stage):
            found.append(
                f"{stage}: ALGORITHM is {algorithm}, recorded is {record['algorithms'].get(stage)}: give the reason in "
                "CHANGELOG.md and run `make record-stages`"
            )
        elif changed:
            found.append(
                f"{stage}: the code behind its results changed ({', '.join(changed)}) and ALGORITHM is still "
                f"{algorithm}. If results can differ, raise ALGORITHM and give the reason in CHANGELOG.md; "
                "if they are the same bytes, show that with a run before and after. Then run `make record-stages`"
            )
    return found


def record() -> dict:
    """The record of the sources as they are now."""
    present = stages()
    files = sorted({file for _, files in present.values() for file in files})
    return {
        "algorithms": {stage: algorithm for stage, (algorithm, _) in present.items()},
        "sources": {file: source_digest(file) for file in files},
    }


@cache
def source_digest(file: str) -> str:
    """First 16 hex characters of the SHA-256 of a file's code without comments, docstrings and blank lines."""
    return hashlib.sha256(code_of((REPOSITORY / file).read_text(encoding="utf-8")).encode()).hexdigest()[:16]


def code_of(text: str) -> str:
    """Python source without comments, docstrings and blank lines."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                for number in range(first.lineno - 1, first.end_lineno):
                    lines[number] = ""
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        row = token.start[0] - 1
        if token.type == tokenize.COMMENT and lines[row]:
            lines[row] = lines[row][: token.start[1]]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _scripts(stage: str) -> list[str]:
    """Scripts of the rules that have a stage's name, or else read its parameters."""
    found = set()
    names = {owner.STAGE for owner in STAGE_OWNERS}
    for rules in (REPOSITORY / "rules").glob("*.smk"):
        for block in re.split(r"^\s*rule\b", rules.read_text(encoding="utf-8"), flags=re.M):
            reads = set(re.findall(r"results/parameters/([a-z_]+)", block))
            if "generation_parameters" in block:
                reads.add("generate")
            own = block.partition(":")[0].strip()
            if own == stage if own in names else stage in reads:
                found |= {f"scripts/{name}.py" for name in re.findall(r"scripts/(\w+)\.py", block)}
    return sorted(found)


def _reachable(roots: list[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += filter(_decides_results, _imports(file))
    return seen


def _decides_results(file: str) -> bool:
    return file.startswith(DECIDING) or Path(file).parts[1] not in CARRYING_ROOMS


def _path(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (REPOSITORY / path).is_dir() else f"{path}.py"


def _imports(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("detailscribe"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("detailscribe.")]
        for path in map(_path, names):
            if (REPOSITORY / path).is_file() and path != "detailscribe/__init__.py":
                yield path


def main() -> None:
    """Write the record."""
    RECORD.write_text(json.dumps(record(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
