"""Keys that a mapping of a configuration file has twice; readers of YAML and JSON keep the last one and say nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

MERGE = "<<"  # key of YAML that takes over another mapping
MOST = 10  # sentences of one message


def refuse_repeated_keys(files: Iterable[str | Path]) -> None:
    """Refuse configuration files with a key twice.

    Args:
        files: What the configuration was read from.

    Raises:
        WorkflowError: one sentence for each key.
    """
    if repeated := repeated_keys(files):
        from snakemake.exceptions import WorkflowError

        raise WorkflowError("\n".join(repeated))


def repeated_keys(files: Iterable[str | Path]) -> list[str]:
    """A sentence for each key that a mapping of a configuration file has twice, at most MOST.

    Merge keys (`<<`) may be there twice. Files that cannot be read are faults of their own.
    """
    import yaml

    found: list[str] = []
    for file in files:
        try:
            # CSafeLoader: a pure Python reader would take longer than all else at the start of a run.
            root = yaml.compose(Path(file).read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except (OSError, UnicodeError, yaml.YAMLError):
            continue
        name = str(Path(file).relative_to(Path.cwd()) if Path(file).is_relative_to(Path.cwd()) else file)
        found += [f"{name}: {each}" for each in _repeated(root, (), set())]
    return found[:MOST]


def _repeated(node: "yaml.Node | None", place: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    import yaml

    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:  # an alias is the node of its anchor
        return
    seen.add(id(node))
    lines: dict[tuple[str, str], int] = {}
    for number, item in enumerate(node.value):
        if not isinstance(node, yaml.MappingNode):
            yield from _repeated(item, (*place, str(number)), seen)
            continue
        key, value = item
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, same = key.start_mark.line + 1, (key.tag, key.value)
        if same in lines and key.value != MERGE:
            where = f"line {line}" if line == lines[same] else f"lines {lines[same]} and {line}"
            yield f"{': '.join((*place, key.value))} is there twice ({where}), and the last would count: remove one"
        lines[same] = line
        yield from _repeated(value, (*place, key.value), seen)
