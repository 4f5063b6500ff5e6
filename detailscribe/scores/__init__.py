"""Metrics: one module each, and how to write another.

A metric is a module with these names, in this package (`module: clip_score` in the config) or anywhere that Python can
import from (`module: my_lab.aesthetics`):

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
    Digest of the weights loaded, for instance `weights.state_digest(model.state_dict())`.

Importing the module should be cheap: import torch and models inside `load`, and `detailscribe.torch_setup` before
torchvision, transformers, diffusers or open_clip. Say formula, range and direction in the docstring.
"""

import importlib
from types import ModuleType

from detailscribe.errors import InputError, SetupError

NEEDED = ("ALGORITHM", "LIBRARIES", "load")


def load_metric(module: str) -> ModuleType:
    """Import a metric by the name of its module: in this package, or else from anywhere.

    Raises:
        InputError: there is no such module, or it lacks a name that a metric needs.
        SetupError: the module imports a package that is not installed.
    """
    own = f"{__name__}.{module}"
    metric = _import(own) or _import(module)
    if metric is None:
        raise InputError(f"no metric module {module!r}: neither {own} nor {module} can be imported")
    if lacking := [name for name in NEEDED if not hasattr(metric, name)]:
        raise InputError(
            f"the metric module {metric.__name__} lacks {', '.join(lacking)}: see detailscribe/scores/__init__.py"
        )
    return metric


def _import(name: str) -> ModuleType | None:
    """The module, or None where it, and not something that it imports, is what is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise SetupError(f"the metric {name} needs the package {error.name}: install it") from error
