"""Code that a capsule's settings name: that of this package runs in a replay, any other never does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2]
# Groups of settings whose entries name a module, the key that does, and the folder of the modules of this package.
NAMED = (("metrics", "module", "scores"), ("refiners", "refiner", "methods/refiners"))


def foreign_code(config: Mapping[str, Any]) -> str:
    """What of a capsule's settings names code that is not of this package; empty if nothing does.

    A module of somebody's own is not part of a capsule. One of the same name here could be any program.
    """
    for group, key, folder in NAMED:
        entries = config.get(group) or {}
        for name, entry in entries.items():
            module = str(entry.get(key, "")) if isinstance(entry, Mapping) else ""
            parts = module.split(".")
            shipped = all(part.isidentifier() for part in parts)
            if not (shipped and (PACKAGE / folder).joinpath(*parts).with_suffix(".py").is_file()):
                return (
                    f"{group}: {name} is made by {module[:80]!r}, which is not part of DetailScribe, and a replay runs "
                    "no other code; replay it where the study was made"
                )
    return ""
