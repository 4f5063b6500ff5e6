"""Metrics: one module each; docs/metrics.md writes one from scratch.

A metric is a module with these names: in this package (`module: clip_score` in the config), anywhere that Python can
import from (`module: my_lab.aesthetics`), or a file (`module: my_metrics/sharpness.py`).

ALGORITHM: int
    Raise it when the same weights and libraries would give other scores; scores under the old number are made anew.
LIBRARIES: tuple[str, ...]
    Distributions, by their name on PyPI, whose versions belong to a score's fingerprint.
load(parameters: dict) -> Scorer
    Called at most once a job, and only where a score is missing. `parameters` are the metric's own from the config.
    Raise `errors.SetupError`, in one sentence that says what to do, for weights that cannot be had.

If it needs weights from the Hugging Face hub, also

weights(parameters: dict) -> list[dict]
    Files that `load` fetches: `repository`, `revision` ("" for the newest), `files` (names or patterns), or the
    `address` of one, which goes into torch's cache; none for those on this machine. `snakemake weights` fetches them
    and records commit and digests; `load` then finds a file by `weights.fetch(repository, name, revision)`, or the
    folder by `weights.located(repository, revision)`.

and a Scorer, any object with

score(prompts: list[str], images: list[PIL.Image.Image]) -> list[float]
    One number for each pair, the prompt being the original one also for refined images; images have any mode and size.
    A pair's score must not depend on the other pairs. Never invent one: what cannot be scored raises.
weights: str
    Digest of the weights loaded, for instance `weights.state_digest(model.state_dict())`; "" where there are none.

It may also have

RECIPE: dict
    What is said to the model and how pictures are prepared; belongs to a score's fingerprint.
READS_PHRASES: bool
    Whether `score` takes a third list, the noun phrases of each prompt.
ENVIRONMENT: str
    Name of the file in envs/ that its jobs run in, where that is not scores; rules/score.smk has a rule for each. In
    planning its pins stand for the versions of LIBRARIES.
reader(parameters: dict) -> Callable[[dict], tuple[int, int]]
    A function of a prompt record that counts tokens, those there and those that the metric reads, for truncation.csv.

Importing the module should be cheap: import torch and models inside `load`, and `detailscribe.engines.torch_setup` before
torchvision, transformers, diffusers or open_clip. Say formula, range and direction in the docstring.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from detailscribe.errors import InputError, SetupError

NEEDED = ("ALGORITHM", "LIBRARIES", "load")
# Keys of a metric's entry that say where its code and weights lie; the digest of the weights stands for them.
PLACES = ("module", "model", "pretrained", "revision", "vocabulary")


def load_metric(module: str) -> ModuleType:
    """Import a metric by the name of its module, in this package or from anywhere, or by the path of its file.

    Raises:
        InputError: there is no such module, or it lacks a name that a metric needs.
        SetupError: the module imports a package that is not installed.
    """
    own = f"{__name__}.{module}"
    metric = _from_file(module) if is_file(module) else _import(own) or _import(module)
    if metric is None:
        where = "there is no such file" if is_file(module) else f"neither {own} nor {module} can be imported"
        raise InputError(f"no metric module {module!r}: {where}")
    if lacking := [name for name in NEEDED if not hasattr(metric, name)]:
        raise InputError(
            f"the metric module {metric.__name__} lacks {', '.join(lacking)}: see detailscribe/scores/__init__.py"
        )
    return metric


def is_file(module: str) -> bool:
    """Whether a metric is named by the path of its file."""
    return module.endswith(".py")


def _from_file(path: str) -> ModuleType | None:
    if not Path(path).is_file():
        return None
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise SetupError(f"the metric {path} needs the package {error.name}: install it") from error
    return module


def _import(name: str) -> ModuleType | None:
    """The module, or None where it, and not something that it imports, is what is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise SetupError(f"the metric {name} needs the package {error.name}: install it") from error
