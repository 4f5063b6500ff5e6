"""Modules that a configuration names: a metric or a refiner, of this package, of an installed one, or a file."""

import contextlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from detailscribe.errors import InputError, SetupError
from detailscribe.files.brought_files import no_such_file, resolve_path
from detailscribe.files.digests import digest

FILES = "detailscribe_plugin"  # begins the names in sys.modules of modules that are files
WORKFLOW = Path(__file__).resolve().parents[2]  # the workflow's own folder, also in a job's process
_loaded: dict[str, tuple[tuple[int, int], ModuleType]] = {}  # by path: time and size of the file, its module


class PromptError(Exception):
    """What a plug-in cannot make for one prompt; the message is the reason in that prompt's row."""


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
        problem = no_such_file(name, WORKFLOW) if is_file(name) else f"neither {own} nor {name} can be imported"
        raise InputError(f"no {kind} module {name!r}: {problem}")
    if missing := [each for each in required if not hasattr(module, each)]:
        place = f"{package.replace('.', '/')}/__init__.py"
        raise InputError(f"the {kind} module {name} lacks {', '.join(missing)}: see {place}")
    return module


def is_file(name: str) -> bool:
    """Whether a module is named by the path of its file."""
    return name.endswith(".py")


def module_file(name: str) -> Path:
    """The file of a module that is named by its path: in the working directory, otherwise in the workflow's folder."""
    return resolve_path(name, WORKFLOW)


@contextlib.contextmanager
def plugin_errors(kind: str, name: str) -> Iterator[None]:
    """Turn an exception of a plug-in's code into a message that names the module and the line; the work ends with it.

    Raises:
        SetupError: instead of ModuleNotFoundError.
        InputError: instead of any other exception but these two themselves.
    """
    try:
        yield
    except (InputError, SetupError):
        raise
    except ModuleNotFoundError as error:
        raise _missing_package(kind, name, error) from error
    except (Exception, SystemExit) as error:
        file, line, message = *_place(name, error), str(error)
        if isinstance(error, SyntaxError):
            file, line, message = str(error.filename), error.lineno or 0, error.msg
        place = f"line {line}" if file in (name, str(module_file(name).absolute())) else f"{file}, line {line}"
        raise InputError(
            f"the {kind} {name} fails at {place}: {type(error).__name__}: {message}; correct it"
        ) from error


@contextlib.contextmanager
def prompt_errors(kind: str, name: str, stops: Callable[[Exception], object]) -> Iterator[None]:
    """Turn an exception of a plug-in's code at work on one prompt into the reason of a row; others are not concerned.

    Args:
        kind, name: As for `load_plugin`.
        stops: Whether an exception says nothing of the prompt; it is left as it is, and so is a SetupError.

    Raises:
        SetupError: instead of ModuleNotFoundError.
        PromptError: instead of any other exception.
    """
    try:
        yield
    except SetupError:
        raise
    except ModuleNotFoundError as error:
        raise _missing_package(kind, name, error) from error
    except InputError as error:  # the module's own words
        raise PromptError(str(error)) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, Exception) and stops(error):
            raise
        own = name if is_file(name) else getattr(sys.modules.get(name), "__file__", "")  # of a shipped module: none
        where = f" ({own}, line {_place(name, error)[1]})" if own else ""
        raise PromptError(f"{type(error).__name__}: {error}{where}") from error


def _missing_package(kind: str, name: str, error: ModuleNotFoundError) -> SetupError:
    return SetupError(f"the {kind} {name} needs the package {error.name}: install it")


def _place(name: str, error: BaseException) -> tuple[str, int]:
    """File and line of an exception: the last one in the module itself, otherwise where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    file = str(module_file(name).absolute()) if is_file(name) else getattr(sys.modules.get(name), "__file__", None)
    frame = next((each for each in reversed(frames) if each.filename in (name, file)), frames[-1])
    return frame.filename, frame.lineno or 0


def _import_file(kind: str, path: str) -> ModuleType | None:
    """The module of a file, which runs once for each content of the file; None if there is no such file."""
    found = module_file(path)
    file = found.absolute()
    if not file.is_file():
        return None
    state = file.stat()
    stamp = state.st_mtime_ns, state.st_size
    if str(file) in _loaded and _loaded[str(file)][0] == stamp:
        return _loaded[str(file)][1]
    # Nobody else's name; the last part is the file's own, by which fingerprints know a metric.
    name = f"{FILES}_{digest(str(file))[:12]}.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, found)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    module.__package__ = ""  # a file is in no package
    sys.modules[name] = module  # where dataclasses look for it
    try:
        with plugin_errors(kind, path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _loaded[str(file)] = stamp, module
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
