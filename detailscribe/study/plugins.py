"""Modules that a configuration names: a metric or a refiner, of this package, of an installed one, or a file."""

import contextlib
import importlib
import importlib.util
import traceback
from collections.abc import Iterator, Sequence
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
        InputError: there is no such module, it lacks a name that it needs, or importing it fails.
        SetupError: the module imports a package that is not installed.
    """
    own = f"{package}.{name}"
    module = _import_file(kind, name) if is_file(name) else _import_module(kind, own) or _import_module(kind, name)
    if module is None:
        problem = "there is no such file" if is_file(name) else f"neither {own} nor {name} can be imported"
        raise InputError(f"no {kind} module {name!r}: {problem}")
    if missing := [each for each in required if not hasattr(module, each)]:
        place = f"{package.replace('.', '/')}/__init__.py"
        raise InputError(f"the {kind} module {name} lacks {', '.join(missing)}: see {place}")
    return module


def is_file(name: str) -> bool:
    """Whether a module is named by the path of its file."""
    return name.endswith(".py")


@contextlib.contextmanager
def plugin_errors(kind: str, name: str) -> Iterator[None]:
    """Turn an exception of a plug-in's code into a message that names the module and the line.

    Raises:
        SetupError: instead of ModuleNotFoundError.
        InputError: instead of any other exception but these two themselves.
    """
    try:
        yield
    except (InputError, SetupError):
        raise
    except ModuleNotFoundError as error:
        raise SetupError(f"the {kind} {name} needs the package {error.name}: install it") from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        file, line, message = frame.filename, frame.lineno, str(error)
        if isinstance(error, SyntaxError):
            file, line, message = str(error.filename), error.lineno, error.msg
        place = f"line {line}" if file == str(Path(name).absolute()) or file == name else f"{file}, line {line}"
        raise InputError(
            f"the {kind} {name} fails at {place}: {type(error).__name__}: {message}; correct it"
        ) from error


def _import_file(kind: str, path: str) -> ModuleType | None:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path) if Path(path).is_file() else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    with plugin_errors(kind, path):
        spec.loader.exec_module(module)
    return module


def _import_module(kind: str, name: str) -> ModuleType | None:
    """The module, or None if it does not exist; a missing module that it imports is an error."""
    try:
        with plugin_errors(kind, name):
            return importlib.import_module(name)
    except SetupError as error:
        missing = getattr(error.__cause__, "name", "")
        if missing and (name == missing or name.startswith(f"{missing}.")):
            return None
        raise
