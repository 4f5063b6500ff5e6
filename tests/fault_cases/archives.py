"""Archives of strangers: every text field and every member mutated; nothing outside the study changes."""

import contextlib
import copy
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from detailscribe.files.digests import digest as digest_of
from detailscribe.operations.archive.members import MANIFEST
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study
from detailscribe.operations.garbage import unreferenced_files
from detailscribe.operations.verify import verify_study
from detailscribe.workflow.shard_files import reshard
from tests.fault_cases.finished_study import finished_study, snapshot
from tests.fault_cases.kind import EXPECTED, Case, Kind, require
from tests.fault_cases.mutation import at, damaged, mutated, paths, put, to_json

HOSTILE = [
    *("../../victim.txt", "../victim.jpg", "/etc/hostname", "results/../../victim.txt", "small/../../victim.txt"),
    *("small/images/../../../victim.jpg", "..\\..\\victim.txt", "C:\\victim.txt", "~/victim.txt", "a/\x00/b", ""),
    *("x" * 5000, "small/images/original-11/000-of-001/../../../../victim.jpg", "//victim", "./././../victim.txt"),
    *("\u2024\u2024/\u2024\u2024/victim.txt", "victim.txt", "small", ".", ".."),
]
MEMBERS = [
    *("../victim.txt", "/tmp/victim.txt", "results/small/images/../../../victim.jpg", "Snakefile", "detailscribe/x.py"),
    *(
        "resources/exchanges/../../Snakefile",
        "results/small/tables/main.csv",
        "resources/exchanges/ab",
        "./manifest.json",
    ),
    *("RESOURCES/exchanges/aa/x.json", "results/small/prompts.jsonl", "results/parameters/refine.json", "x" * 3000),
]
LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The archive of a finished study, and the case."""
    archive = folder / "study.tar.gz"
    study = finished_study(folder / "study")
    pack_study(archive, study.folder, images=True)
    with tarfile.open(archive) as tar:
        members = {each.name: tar.extractfile(each).read() for each in tar}

    def case(number: int, random: Random, own: Path) -> None:
        place = own / "outside"
        place.mkdir()
        (place / "victim.txt").write_text("do not touch")
        (place / "victim.jpg").write_bytes(b"do not touch")
        target = place / "study"
        mutant = own / "mutant.tar.gz"
        write_mutant(mutant, members, random)
        before = snapshot(place, ("study",))
        accepted = True
        try:
            unpack_study(mutant, target)
        except EXPECTED as error:
            accepted = False
            require("\n" not in str(error) and len(str(error)) < 2500, f"message: {str(error)[:300]}")
            require(not snapshot(target), "refused, and something was unpacked")
        if accepted:
            use(target)
        require(snapshot(place, ("study",)) == before, "a file outside the study was changed, moved or made")
        outside = [name for name in snapshot(target) if not name.startswith(("results/", "resources/"))]
        require(not outside, f"unpacked outside the layout: {outside[:1]}")

    yield case


def use(folder: Path) -> None:
    """What later commands do with the files: move to other shards, verify, list orphaned files."""
    results, resources = folder / "results", folder / "resources"
    for scenario in sorted(path for path in results.glob("*") if path.is_dir()):
        with contextlib.suppress(*EXPECTED):
            reshard(scenario, ["000-of-002", "001-of-002"])
    with contextlib.suppress(*EXPECTED):
        verify_study(results, resources, ["small"])
    with contextlib.suppress(*EXPECTED):
        unreferenced_files(results, resources / "exchanges")


def write_mutant(path: Path, members: dict[str, bytes], random: Random) -> None:
    """Write an archive with one fault; its manifest fits the members, except where it is the fault."""
    files = dict(members)
    manifest = json.loads(files.pop(MANIFEST))
    choice = random.random()
    extra: list[tarfile.TarInfo] = []
    if choice < 0.55:
        name = random.choice([name for name in files if name.endswith((".json", ".jsonl"))])
        files.update(mutated_rows(name, files.pop(name), random))
    elif choice < 0.65:
        files[random.choice(MEMBERS)] = b"{}"
    elif choice < 0.8:
        link = tarfile.TarInfo(random.choice([*MEMBERS, *files]))
        link.type, link.linkname = random.choice(LINKS), random.choice(["../victim.txt", "/etc/hostname", MANIFEST])
        extra.append(link)
    elif choice < 0.85:
        name = random.choice(list(files))
        files[name] = damaged(files[name], random)
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    text = to_json(manifest)
    if choice >= 0.85:
        text = random.choice([lambda: to_json(mutated(manifest, random, 2)), lambda: damaged(text, random)])()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in ({MANIFEST: text} | files).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info)
    if random.random() < 0.05:
        path.write_bytes(damaged(path.read_bytes(), random))


def mutated_rows(name: str, data: bytes, random: Random) -> dict[str, bytes]:
    """A member with one text replaced by a hostile path; an exchange gets the digest and name that fit."""
    lines = data.decode().splitlines() if name.endswith(".jsonl") else [data.decode()]
    index = random.randrange(len(lines))
    row = json.loads(lines[index])
    texts = [path for path in paths(row) if isinstance(at(row, path), str) or at(row, path) is None]
    row = put(row, random.choice(texts), random.choice(HOSTILE)) if texts else row
    if name.endswith(".jsonl"):
        lines[index] = json.dumps(row)
        return {name: ("\n".join(lines) + "\n").encode()}
    return named_exchange(row, name)


def named_exchange(row: Any, name: str) -> dict[str, bytes]:
    """An exchange under the name that its request has."""
    row = copy.deepcopy(row)
    if isinstance(row, dict) and isinstance(row.get("request"), dict):
        row["digest"] = digest_of(row["request"])
        name = f"resources/exchanges/{row['digest'][:2]}/{row['digest']}.json"
    return {name: to_json(row)}


KIND = Kind("archives", 200, 20, prepare, in_sample=False)
