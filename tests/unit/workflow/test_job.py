"""What scripts share: inputs that were cut off or changed are named, and a job ends with one sentence."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.files.rows import write_rows
from detailscribe.workflow.inputs import collect_stage_outputs, rows_by_id, verified_images
from tests.paths import REPOSITORY

SCRIPT = """
import sys
from types import SimpleNamespace
from detailscribe.workflow.job import job
with job(SimpleNamespace(log=["job.log"], rule="some_rule", resources={{"gpu": 1}})) as running:
    {body}
"""


@pytest.fixture
def manifest(tmp_path):
    """A manifest of two images, below results/ as jobs see it."""
    folder = tmp_path / "s" / "images" / "a" / "000-of-001"
    folder.mkdir(parents=True)
    rows = []
    for id in ("p", "q"):
        (folder / f"{id}.jpg").write_bytes(id.encode() * 100)
        file = f"s/images/a/000-of-001/{id}.jpg"
        rows.append({"id": id, "status": "ok", "reason": "", "file": file, "sha256": file_sha256(tmp_path / file)})
    rows.append({"id": "r", "status": "failed", "reason": "no", "file": None, "sha256": None})
    path = folder.with_suffix(".jsonl")
    write_rows(path, rows)
    write_rows(tmp_path / "s" / "shards" / path.name, [{"id": row["id"]} for row in rows])
    return path


def test_a_row_that_a_file_lacks_is_named_with_the_way_out(manifest):
    rows = rows_by_id(manifest)
    assert rows["q"]["status"] == "ok"
    with pytest.raises(SetupError, match=r"000-of-001\.jsonl has no row for z: delete that file and run again"):
        rows["z"]


@pytest.mark.parametrize(
    "spoil", [lambda path: os.truncate(path, 40), Path.unlink, lambda path: path.write_bytes(b"x")]
)
def test_a_picture_that_is_not_as_it_was_made_is_not_shown_to_anybody(manifest, tmp_path, spoil):
    assert [bool(row["path"]) for row in verified_images(manifest, tmp_path).values()] == [True, True, False]
    spoil(manifest.with_suffix("") / "q.jpg")
    with pytest.raises(SetupError, match=r"q\.jpg is not as it was made: run `snakemake verify`"):
        verified_images(manifest, tmp_path)


def test_an_output_that_lost_rows_does_not_reach_the_tables(manifest, tmp_path):
    scores = tmp_path / "s" / "scores" / "clip" / manifest.name
    write_rows(scores, [{"id": id, "image_set": name} for name in ("a", "b") for id in ("p", "q", "r")])
    stage_of = {"a": "generate", "b": "refine"}
    stages, manifests, _ = collect_stage_outputs([manifest, scores], stage_of)
    assert [len(rows) for _, _, rows in stages] == [3, 6] and set(manifests["a"]) == {"p", "q", "r"}
    for path, kept, lacking in [(scores, 5, "r b"), (scores, 3, "p b"), (manifest, 2, "r")]:
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
        with pytest.raises(SetupError, match=f"has no row for {lacking}: delete"):
            collect_stage_outputs([manifest, scores], stage_of)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (f"raise OSError({errno.ENOSPC}, 'x')", "some_rule: the disk is full: free some space"),
        ("raise RuntimeError('I/O error: No space left on device (os error 28)')", "some_rule: the disk is full"),
        ("raise KeyError('x')", "some_rule: KeyError: 'x' (details in job.log)"),
    ],
)
def test_a_job_ends_with_one_sentence_on_the_terminal(tmp_path, body, sentence):
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", SCRIPT.format(body=body)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1 and not run.stdout
    assert run.stderr.strip().startswith(sentence) and "Traceback" not in run.stderr


def test_a_gpu_job_sees_one_card_and_says_so_to_nobody(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-aa)'\necho 'GPU 1: A (UUID: GPU-bb)'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": path, "TMPDIR": str(tmp_path)}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    body = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    run = subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], cwd=tmp_path, env=env, capture_output=True)
    assert run.returncode == 0 and not run.stderr
    assert (tmp_path / "job.log").read_text() == "GPU-aa\n"
