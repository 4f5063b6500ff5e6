"""Modules that a configuration names: a metric or a refiner, of this package, of an installed one, or a file."""

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from detailscribe.errors import InputError, SetupError


def load_plugin(kind: str, package: str, name: str, required: Sequence[str]) -> ModuleType:
    """Import a module by its name, in a package of this project or elsewhere, or by the path of its file.

    Args:
        kind: What it is, for messages: metric or refiner.
        package: Where the shipped ones are; its `__init__.py` describes what a module must have.
        name: From the configuration.
        required: Names that the module must define.

    Raises:
        InputError: there is no such module, or it lacks a name that it needs.
        SetupError: the module imports a package that is not installed.
    """
    own = f"{package}.{name}"
    module = _import_file(kind, name) if is_file(name) else _import_module(kind, own) or _import_module(kind, name)
    if module is None:
        problem = "there is no such file" if is_file(name) else f"neither {own} nor {name} can be imported"
        raise InputError(f"no {kind} module {name!r}: {problem}")
    if missing := [each for each in required if not hasattr(module, each)]:
        place = f"{package.replace('.', '/')}/__init__.py"
        raise InputError(f"the {kind} module {module.__name__} lacks {', '.join(missing)}: see {place}")
    return module


def is_file(name: str) -> bool:
    """Whether a module is named by the path of its file."""
    return name.endswith(".py")


def _import_file(kind: str, path: str) -> ModuleType | None:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path) if Path(path).is_file() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise SetupError(f"the {kind} {path} needs the package {error.name}: install it") from error
    return module


def _import_module(kind: str, name: str) -> ModuleType | None:
    """The module, or None if it does not exist; a missing module that it imports is an error."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise SetupError(f"the {kind} {name} needs the package {error.name}: install it") from error
