"""Versions of installed libraries, recorded with images and scores."""

import importlib.metadata
from collections.abc import Iterable

from detailscribe.errors import SetupError


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution name.

    Raises:
        SetupError: one is not installed.
    """
    try:
        return {name: importlib.metadata.version(name) for name in names}
    except importlib.metadata.PackageNotFoundError as error:
        raise SetupError(f"the package {error.name} is not installed; install it with pip") from error


def release_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Installed versions without their local part, so that CUDA and CPU builds have the same version."""
    return {name: version.partition("+")[0] for name, version in library_versions(libraries).items()}
