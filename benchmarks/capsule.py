"""Benchmark of the sealed capsule: seconds, processor seconds and main memory to make one, beside a plain zip.

The study is written as its stages leave it (`tests/stub_study.py`): tiny images, invented answers, 58 files per prompt.
Each way runs in a process of its own, one after the other; the plain zip packs the files of results/ and resources/
with Python's zipfile at the same level. The two capsules are made in folders of other names and must be the same bytes.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import yaml

from tests.paths import REPOSITORY


def main() -> None:
    """Write the study and measure each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--images", default="none", choices=["none", "thumbnails", "whole"])
    parser.add_argument("--way", choices=WAYS, help="measure this way alone, in the working directory")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(_measured(options.way, options.images)))
        return
    from tests.stub_study import StubStudy

    with tempfile.TemporaryDirectory(prefix="capsule-") as temporary:
        study = Path(temporary) / "study"
        StubStudy(study, options.prompts, shards=4, draws=2).write()
        files = sum(path.is_file() for top in ("results", "resources") for path in (study / top).rglob("*"))
        print(f"{options.prompts} prompts, {files} files", flush=True)
        found = {"prompts": options.prompts, "files": files, "images": options.images}
        for way in WAYS:
            found[way] = _in_process(way, study, options.images)
            print(way, found[way], flush=True)
        moved = Path(temporary) / "another folder"
        study.rename(moved)
        again = _in_process("capsule", moved, options.images)
        found["same_bytes"] = again["sha256"] == found["capsule"]["sha256"]
    print(json.dumps(found))


def _in_process(way: str, study: Path, images: str) -> dict:
    command = [sys.executable, str(Path(__file__).resolve()), "--way", way, "--images", images]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=study, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _measured(way: str, images: str) -> dict:
    target = Path("..") / f"{way}.zip"
    began = time.perf_counter()
    WAYS[way](target, images)
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    with open(target, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    figures = {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
        "mb": round(target.stat().st_size / 2**20, 1),
        "sha256": sha256,
    }
    target.unlink()
    return figures


def _capsule(target: Path, images: str) -> None:
    from detailscribe.capsule.make import make_capsule
    from detailscribe.workflow.parameters import stage_parameters

    config = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    # The study may have been moved since its configuration was written.
    config["scenarios"]["mine"]["file"] = str(Path("my_prompts.jsonl").absolute())
    make_capsule(target, REPOSITORY, config | {"capsule": {"images": images}}, stage_parameters)


def _plain_zip(target: Path, images: str) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for top in ("results", "resources"):
            for path in sorted(Path(top).rglob("*")):
                is_image = path.suffix in (".jpg", ".jpeg")
                if path.is_file() and (images == "whole" or not is_image):
                    archive.write(path)


WAYS = {"plain_zip": _plain_zip, "capsule": _capsule}

if __name__ == "__main__":
    if shutil.which("git") is None:
        print("Note: without git the capsule names no commit")
    main()
