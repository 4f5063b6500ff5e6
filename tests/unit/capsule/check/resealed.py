"""A capsule whose members somebody changed, sealed again as the pipeline seals it."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from detailscribe.capsule.contents import Contents, contents_json
from detailscribe.capsule.layout import CONTENTS
from detailscribe.capsule.sealed_zip import SealedZip


def reseal(capsule: Path, target: Path, changed: Mapping[str, bytes | None], digests: bool = True) -> Path:
    """Write a capsule with other members.

    Args:
        capsule: The original.
        target: The new one.
        changed: New contents by name; None leaves a member out, a new name adds one.
        digests: Whether `capsule.json` names the new digests.
    """
    with zipfile.ZipFile(capsule) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    old = json.loads(members.pop(CONTENTS))
    members |= {name: data for name, data in changed.items() if data is not None and name != CONTENTS}
    with SealedZip(target) as sealed:
        for name, data in members.items():
            if changed.get(name, data) is not None:
                sealed.add(name, data)
        keys = {key: old[key] for key in old if key in Contents.__annotations__}
        files = sealed.files if digests else old["files"]
        sealed.add(CONTENTS, changed.get(CONTENTS) or contents_json(Contents(**keys), files))
    return target
