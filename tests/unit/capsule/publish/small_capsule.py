"""A capsule of a small scenario: without images, with thumbnails or with whole images, laid out as capsules are."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

from PIL import Image

from detailscribe.capsule.layout import CONTENTS, CRATE, README, is_member
from tests.unit.tables.parquet.small_scenario import ORDER, rows_on_disk, write_study

NOTICE = "These numbers mean nothing."
CITATION = """
cff-version: 1.2.0
title: "A pipeline"
abstract: >-
  What it
  does.
version: 0.1.0
license: MIT
doi: 10.5281/zenodo.1234
keywords: [images]
authors:
  - family-names: Berg
    name-particle: van den
    given-names: Ada
    affiliation: A University
    orcid: https://orcid.org/0000-0002-1825-0097
  - name: The others
preferred-citation:
  type: article
  title: A paper
  authors: [{family-names: Gu, given-names: Xi}]
  journal: A Journal
  year: 2025
  doi: 10.1000/182
  url: https://example.org/paper
  identifiers: [{type: other, value: "arXiv:2504.08714"}]
"""


def colour(file: str) -> tuple[int, int, int]:
    """A colour of its own for every image."""
    return tuple(hashlib.sha256(file.encode()).digest()[:3])  # type: ignore[return-value]


def picture(file: str, kind: str) -> bytes:
    """An image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), colour(file)).save(buffer, kind)
    return buffer.getvalue()


def members(folder: Path, images: str) -> dict[str, bytes]:
    """Every member but `capsule.json`, by name."""
    scenario = write_study(folder, shards=1)
    found = {
        f"study/results/demo/{path.relative_to(scenario)}": path.read_bytes()
        for path in sorted(scenario.rglob("*"))
        if path.is_file()
    }
    for row in rows_on_disk(scenario, "images"):
        if row["file"] and images == "whole":
            found[f"study/results/{row['file']}"] = picture(row["file"], "JPEG")
        elif row["file"] and images == "thumbnails":
            found[f"study/results/{row['file'].replace('/images/', '/thumbnails/')}"] = picture(row["file"], "JPEG")
    root = {"@id": "./", "@type": "Dataset", "name": "Sealed study: demo", "description": "A sealed study on demo."}
    root |= {"license": {"@id": "https://spdx.org/licenses/CC-BY-4.0"}}
    found["study/results/parameters/parquet.json"] = json.dumps(ORDER).encode()
    found["study/results/parameters/tabulate.json"] = json.dumps({"notice": NOTICE}).encode()
    found[CRATE] = json.dumps({"@graph": [{"@id": CRATE}, root]}).encode()
    found[README] = b"# A sealed study\n\nScenarios: demo.\n"
    assert all(map(is_member, found))
    return found


def write_capsule(folder: Path, images: str = "none", changed: dict[str, bytes] | None = None) -> Path:
    """Write a capsule beside the study that it is made from; `changed` replaces members after they were digested."""
    found = members(folder / "study", images)
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in found.items()}
    contents: dict = {
        "format": 1,
        "images": images,
        "scenarios": ["demo"],
        "exchanges": 4,
        "date": "2026-11-20T10:00:00+00:00",
    }
    contents |= {"unfinished": {"mine": ["score"]}, "files": files}
    found[CONTENTS] = json.dumps(contents).encode()
    path = folder / "results" / "capsule.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted({**found, **(changed or {})}.items()):
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


def write_code(folder: Path) -> Path:
    """A folder with CITATION.cff and LICENSE."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CITATION.cff").write_text(CITATION, encoding="utf-8")
    (folder / "LICENSE").write_text("Do as you like.\n", encoding="utf-8")
    return folder
