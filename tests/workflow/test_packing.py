"""Packed shards: nothing is made again, a deleted image is noticed, and everything comes back byte for byte."""

import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from detailscribe.files.output_records import recorded_outputs
from detailscribe.files.packed import ARCHIVE, files_in, packed_names
from detailscribe.files.packing import drop
from tests.workflow.small_study import PROMPTS, Study, planned

pytestmark = pytest.mark.slow  # several runs of a study each

TARGETS = "all", "small_report"
SECONDS = re.compile(rb'<tr><td>\w+</td><td class="number">\d+</td><td class="number">[\d.]+</td></tr>')


@pytest.fixture
def reported(study) -> Study:
    """The finished study with its report."""
    study.snakemake(*TARGETS)
    return study


def contents(study: Study) -> dict[str, bytes]:
    """Bytes of every file of results/ and resources/, those of the process aside."""
    found = [path for name in ("results", "resources") for path in (study.folder / name).rglob("*") if path.is_file()]
    names = {path.relative_to(study.folder): path for path in found}
    return {str(name): path.read_bytes() for name, path in names.items() if not _is_of_process(name)}


def _is_of_process(name: Path) -> bool:
    return name.name in (".lock", ".jobs", ".failures.jsonl") or "miniature" in name.parts


def results_of(study: Study) -> dict[str, bytes]:
    """Bytes of every file of rows, every table and figure, and the overviews of the reports without seconds of jobs."""
    return {str(path): SECONDS.sub(b"", path.read_bytes()) for path, _ in recorded_outputs(study.results)}


def images_of(study: Study) -> dict[str, list[str]]:
    folders = sorted((study.results / "small" / "images").glob("*/*/"))
    return {str(folder): [path.name for path in files_in(folder)] for folder in folders}


def delete_packed(folder: Path) -> str:
    """Delete the first image of an archive as `zip -d` does: written anew beside it and renamed."""
    name = min(packed_names(folder))
    with zipfile.ZipFile(folder / ARCHIVE) as old, zipfile.ZipFile(folder / "zi0001", "w") as new:
        for info in old.infolist():
            if info.filename != name:
                new.writestr(info, old.read(info))
    (folder / "zi0001").rename(folder / ARCHIVE)
    return name


def test_a_packed_study_has_nothing_to_do_and_comes_back_byte_for_byte(reported):
    before = contents(reported)
    said = reported.snakemake("pack")
    packed = contents(reported)
    images = list((reported.results / "small" / "images").glob("*/*/*.*"))
    assert {path.name for path in images} == {ARCHIVE}
    assert f"{len(images)} archives" in said and "`snakemake unpack`" in said
    assert not list((reported.folder / "resources" / "exchanges").glob("*/*.json"))
    assert not list(reported.results.rglob("thumbnails/*.jpg")) + list(reported.results.rglob("report/*/prompts/*"))
    assert len(packed) < len(before)
    assert {name: data for name, data in packed.items() if name in before} == {
        name: data for name, data in before.items() if name in packed
    }
    assert reported.nothing_to_do(*TARGETS)
    assert "0 problems" in reported.snakemake("verify")
    assert "0 files" in reported.snakemake("gc")
    assert "0 images packed into 0 archives" in reported.snakemake("pack")
    assert contents(reported).keys() - packed.keys() == set()
    reported.snakemake("unpack")
    assert contents(reported) == before
    assert reported.nothing_to_do(*TARGETS)


def test_every_job_reads_what_is_packed_and_makes_the_same_bytes(reported):
    before, images = results_of(reported), images_of(reported)
    reported.snakemake("pack")
    reported.snakemake(*TARGETS, "--forceall")
    assert {name: data for name, data in results_of(reported).items() if name in before} == before
    assert images_of(reported) == images
    loose = [path for path in (reported.results / "small" / "images").glob("*/*/*.*") if path.name != ARCHIVE]
    assert loose == []
    assert not list((reported.folder / "resources" / "exchanges").glob("*/*.json"))
    assert list((reported.results / "small" / "report" / "prompts").iterdir()) == [
        reported.results / "small" / "report" / "prompts" / ARCHIVE
    ]


@pytest.mark.parametrize("way", ["an image of an archive", "in place", "an archive", "a folder", "a loose one beside"])
def test_a_deleted_image_is_noticed_and_made_again(reported, way):
    before, images = results_of(reported), images_of(reported)
    folder = next((reported.results / "small" / "images" / "detailscribe-k0").glob("*/"))
    if way == "a loose one beside":
        reported.snakemake("pack")
        delete_packed(folder)
        reported.snakemake(*TARGETS)
        next(path for path in folder.iterdir() if path.name != ARCHIVE).unlink()
    else:
        reported.snakemake("pack")
        if way == "an image of an archive":
            delete_packed(folder)
        elif way == "in place":
            times = folder.stat()
            drop(folder, [min(packed_names(folder))])
            os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))
            os.utime(folder / ARCHIVE)
        else:
            (folder / ARCHIVE).unlink()
            if way == "a folder":
                folder.rmdir()
    jobs = planned(reported.snakemake(*TARGETS, "-n"))
    assert jobs["refine_images"] == 1 and "generate_images" not in jobs and "decompose_prompts" not in jobs
    reported.snakemake(*TARGETS)
    assert results_of(reported) == before
    assert images_of(reported) == images
    drawn = [path for path in (reported.results / "small" / "images").glob("*/*/*.*") if path.name != ARCHIVE]
    assert len(drawn) == (len(PROMPTS) if way in ("an archive", "a folder") else 1)
    assert reported.nothing_to_do(*TARGETS)
    reported.snakemake("pack")
    assert {path.name for path in (reported.results / "small" / "images").glob("*/*/*.*")} == {ARCHIVE}


def test_an_edited_prompt_costs_what_it_costs_unpacked(reported):
    exchanges, times = reported.exchanges(), reported.times()
    unpacked = contents(reported)
    reported.snakemake("pack")
    edited = [(PROMPTS[0][0], "Two otters carry a log together."), *PROMPTS[1:]]
    reported.prompts(edited)
    reported.snakemake(*TARGETS)
    assert 0 < reported.exchanges() < exchanges / 2
    after = contents(reported)
    reported.snakemake("unpack")
    known = {name: data for name, data in contents(reported).items() if name in unpacked}
    changed = [name for name in known if "/images/" in name and "ledgers" not in name and known[name] != unpacked[name]]
    assert [name for name in changed if name.endswith((".jpg", ".png"))] == []
    assert len(reported.times().keys() - times.keys()) == len(images_of(reported))
    assert after.keys() <= contents(reported).keys() | {
        name for name in after if name.endswith(("packed.zip", "packed.json"))
    }
    assert reported.nothing_to_do(*TARGETS)


def test_another_number_of_shards_moves_packed_images(reported):
    images = {name for names in images_of(reported).values() for name in names}
    table = reported.table()
    reported.snakemake("pack")
    shards = {"scenarios": {"small": {"shards": 3}}}
    said = reported.snakemake("all", **shards)
    assert "refine_images" in said
    assert {path.name for path in (reported.results / "small" / "images").glob("*/*/*.*")} == images
    assert reported.table() == table


def test_a_run_beside_it_is_refused(reported):
    import fcntl

    with open(reported.results / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for target in ("pack", "unpack"):
            assert "another run works in results/" in reported.snakemake(target, expect=1)


@pytest.mark.parametrize("first", ["pack", "unpack"])
def test_a_kill_at_any_time_loses_nothing(reported, first):
    before, results = contents(reported), results_of(reported)
    if first == "unpack":
        reported.snakemake("pack")
    for share in (0.0, 0.02, 0.1):
        process = subprocess.Popen(
            reported.command(first), cwd=reported.folder, env=reported.env(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        log = reported.folder / "logs" / f"{first}.log"
        log.unlink(missing_ok=True)
        while not log.exists() and process.poll() is None:
            time.sleep(0.005)
        time.sleep(share)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reported.snakemake("--unlock")
    reported.snakemake(*TARGETS)
    assert results_of(reported) == results
    reported.snakemake("gc_delete")
    reported.snakemake("unpack")
    kept = {name for name in before if "/.outputs/" not in name}
    after = contents(reported)
    assert {name: SECONDS.sub(b"", after[name]) for name in kept} == {
        name: SECONDS.sub(b"", before[name]) for name in kept
    }
