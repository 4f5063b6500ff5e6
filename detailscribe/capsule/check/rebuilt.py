"""Results made again from a capsule, compared with those that it holds, byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from detailscribe.capsule.check.own_code import foreign_code
from detailscribe.capsule.check.remade import targets_of
from detailscribe.capsule.check.rerun import Rerun
from detailscribe.capsule.check.same import difference
from detailscribe.capsule.check.taken import taken_lines
from detailscribe.capsule.check.unpacked import unpack_study, write_member
from detailscribe.capsule.layout import STUDY
from detailscribe.capsule.reader import CapsuleReader

PARAMETERS = "results/parameters/"
NO_INPUT = "what it is made from could not be made"


@dataclass
class Rebuilt:
    """What came of it; names without `study/`.

    Attributes:
        same: Results that came out as the capsule holds them.
        different: Where the others differ.
        failed: Why a result could not be made; the capsule's own took its place for what follows.
        taken: What is never made again, in words.
        other_settings: Parameters that this version of the code reads from the settings in another way.
    """

    same: list[str] = field(default_factory=list)
    different: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    other_settings: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything that can be made again came out the same."""
        return not (self.different or self.failed)


def rebuild(
    reader: CapsuleReader, contents: Mapping[str, Any], config: Mapping[str, Any], folder: Path, whole: bool, cores: int
) -> Rebuilt:
    """Make a capsule's results again in an empty folder.

    Args:
        reader: The capsule.
        contents: `capsule.json`.
        config: The capsule's configuration.
        folder: Empty, or not there yet.
        whole: Also figures and what a parser makes, not only rows of answers and tables.
        cores: Jobs at a time.

    Raises:
        InputError: the folder is not empty, or a member is not the sealed one.
        SetupError: the folder cannot be written, or the replay does not start.
    """
    has_parser = find_spec("spacy") is not None
    targets = targets_of(reader.members, config, with_figures=whole, with_parser=whole and has_parser)
    files, rebuilt = contents["files"], Rebuilt()
    if reason := foreign_code(config):
        rebuilt.failed = dict.fromkeys(targets, reason)
        return rebuilt
    unpack_study(reader, folder, files, without=targets)
    missing = list(targets)
    with Rerun(folder, (rule for rules in targets.values() for rule in rules), cores) as rerun:
        while missing:
            failures = rerun.make(missing)
            missing = [target for target in missing if not (folder / target).is_file()]
            reasons = {
                target: said
                for target in missing
                if (said := next((failures[rule] for rule in targets[target] if rule in failures), ""))
            }
            reasons = reasons or dict.fromkeys(missing, failures.get("", NO_INPUT))
            for target in reasons:
                write_member(reader, STUDY + target, folder, files[STUDY + target]["sha256"])
            rebuilt.failed |= reasons
            missing = [target for target in missing if target not in reasons]
    for target in targets:
        if target not in rebuilt.failed:
            made, sealed = (folder / target).read_bytes(), reader.read(STUDY + target)
            if where := difference(made, sealed, contents["cleaned"].get(STUDY + target, "")):
                rebuilt.different[target] = where
            else:
                rebuilt.same.append(target)
    for name in reader.members:
        inner = name.removeprefix(STUDY)
        if inner.startswith(PARAMETERS) and (folder / inner).read_bytes() != reader.read(name):
            rebuilt.other_settings.append(Path(inner).stem)
    rebuilt.taken = taken_lines(reader, config, contents["images"], targets, has_parser)
    return rebuilt
