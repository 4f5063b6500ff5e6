"""Packed sites of a report: pages and thumbnails in archives, links to full images left out, the overview as it is.

A site has many files per prompt: a page, small images and a link to each full one. Packed, its folders `prompts` and
`thumbnails` hold one archive each (`files/packed.py`), and `images/packed.json` lists the links that are left out,
since the images are in `results/{scenario}/images`. The study's site follows those of its scenarios. A site is read in
a browser after it is unpacked.
"""

import json
from pathlib import Path

from detailscribe.files.atomic import write_if_changed, write_text
from detailscribe.files.packed import ARCHIVE, files_in, packed_names, read_bytes
from detailscribe.files.packing import drop, pack, unpack
from detailscribe.images.image_file import FORMAT_SUFFIXES

FOLDERS = ("prompts", "thumbnails")  # of a site, whose files are packed
IMAGES, LIST = "images", "packed.json"


def is_packing(path: Path) -> bool:
    """Whether a file of a site is an archive, or the list of links that are left out, and no page or image."""
    return path.name == ARCHIVE or (path.name == LIST and path.parent.name == IMAGES)


def left_out_images(site: Path) -> set[str]:
    """Full images that a packed site lacks, relative to it; none of a site that is not packed."""
    path = site / IMAGES / LIST
    return set(json.loads(path.read_bytes())) if path.is_file() else set()


def write_page(path: Path, text: str) -> None:
    """Write a page unless it is there with this content, loose or packed."""
    if path.is_file() or path.name not in packed_names(path.parent) or read_bytes(path) != text.encode():
        write_if_changed(path, text)


def forget_packed(site: Path, keep: set[str]) -> None:
    """Remove packed files, and links that are left out, that no longer belong to a site."""
    for folder in FOLDERS:
        drop(site / folder, {name for name in packed_names(site / folder) if f"{folder}/{name}" not in keep})
    if (left_out := left_out_images(site)) - keep:
        _write_list(site, left_out & keep)


def pack_sites(results: Path, scenarios: list[str]) -> tuple[int, list[str]]:
    """Pack the sites of scenarios, and leave out of the study's site what is packed of theirs.

    The images of the scenarios are packed before: of a scenario with loose images, the site stays as it is.

    Returns:
        The number of files, and a message per site that stays as it is.
    """
    count, messages = 0, []
    for scenario in scenarios:
        site, copy = results / scenario / "report", results / "report" / scenario
        if not (site / "index.html").is_file():
            continue
        if _has_loose_images(results / scenario):
            messages.append(f"{site} stays as it is, since images of the scenario do")
            continue
        images = _full_images(results / scenario)
        if _is_alike(site, copy):
            for path in [path for folder in (*FOLDERS, IMAGES) for path in (copy / folder).rglob("*")]:
                original = site / path.relative_to(copy)
                if path.is_file() and original.is_file() and _equal(path, original):
                    path.unlink()
                    count += 1
        left_out = left_out_images(site)
        links = {f"{path.relative_to(site)}": path for path in (site / IMAGES).glob("*/*") if path.is_file()}
        same = {
            name for name, path in links.items() if name in images and path.read_bytes() == read_bytes(images[name])
        }
        if same:
            _write_list(site, left_out | same)
            for name in same:
                links[name].unlink()
        folders = [site / folder for folder in FOLDERS]
        count += len(same) + pack({folder: [path.name for path in files_in(folder)] for folder in folders})
    return count, messages


def unpack_sites(results: Path) -> int:
    """Unpack the sites of all scenarios and complete the study's site; returns the number of files.

    Their images are unpacked before, so that full images are links again.
    """
    from detailscribe.report.assets import link_or_copy

    count = 0
    for site in sorted(path for path in results.glob("*/report") if (path / "index.html").is_file()):
        count += unpack(site / folder for folder in FOLDERS)
        if left_out := left_out_images(site):
            images = _full_images(site.parent)
            for name in sorted(left_out & images.keys()):
                link_or_copy(images[name], site / name)
            count += len(left_out)
        (site / IMAGES / LIST).unlink(missing_ok=True)
        copy = results / "report" / site.parent.name
        if _is_alike(site, copy):
            for path in [path for folder in (*FOLDERS, IMAGES) for path in sorted((site / folder).rglob("*"))]:
                if path.is_file() and not (copy / path.relative_to(site)).exists():
                    link_or_copy(path, copy / path.relative_to(site))
                    count += 1
    return count


def _is_alike(site: Path, copy: Path) -> bool:
    """Whether the study's site holds a scenario's site as it is now."""
    return (copy / "index.html").is_file() and _equal(site / "index.html", copy / "index.html")


def _equal(one: Path, other: Path) -> bool:
    return one.samefile(other) or one.read_bytes() == other.read_bytes()


def _full_images(scenario: Path) -> dict[str, Path]:
    """Images of a scenario, loose or packed, by their path in a site (`assets.image_path`)."""
    shards = sorted(path for path in (scenario / IMAGES).glob("*/*") if path.is_dir())
    return {f"{IMAGES}/{shard.parent.name}/{path.name}": path for shard in shards for path in files_in(shard)}


def _has_loose_images(scenario: Path) -> bool:
    """Whether images of a scenario are not packed."""
    found = (path for shard in (scenario / IMAGES).glob("*/*/") for path in files_in(shard))
    return any(path.suffix in FORMAT_SUFFIXES.values() and path.is_file() for path in found)


def _write_list(site: Path, names: set[str]) -> None:
    write_text(site / IMAGES / LIST, json.dumps(sorted(names), indent=0) + "\n")
