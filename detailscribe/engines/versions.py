"""Versions of installed libraries, recorded with images and scores."""

import contextlib
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable

from detailscribe.errors import SetupError


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution name.

    Raises:
        SetupError: one is not installed.
    """
    versions = {name: installed_version(name) for name in names}
    if missing := [name for name, version in versions.items() if version is None]:
        raise SetupError(f"the package {missing[0]} is not installed; install it with pip")
    return {name: str(version) for name, version in versions.items()}


def installed_version(name: str) -> str | None:
    """Version of a distribution, or else of the one that brings the module of this name, or else the module's own.

    Builds for other cards have other distributions: the module `triton` comes from pytorch-triton, triton-rocm and
    others. None if nothing of this name is installed, or if its version cannot be found out.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except (ImportError, ValueError):  # no name of a module; one that was loaded in another way than by import
        return None
    for distribution in sorted(set(importlib.metadata.packages_distributions().get(name, ()))):
        return importlib.metadata.version(distribution)
    try:
        version = getattr(importlib.import_module(name), "__version__", None)
    except Exception:  # noqa: BLE001 - what a module of somebody else does when it is loaded
        return None
    return str(version) if version else None


def release_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Installed versions without their local part, so that CUDA and CPU builds have the same version."""
    return {name: version.partition("+")[0] for name, version in library_versions(libraries).items()}
