"""One digit changed by hand with the times kept: `verify` names the file, and the next run makes the bytes again."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from detailscribe.files.rows import read_rows, write_rows
from tests.workflow.small_study import Study

# Everything that a table depends on: pattern of the files below the study's folder, and the text to change in one.
CHANGES = {
    "reply": ("resources/exchanges/*/*.json", r'"text": "[^"]*?(\w)'),
    "usage of a reply": ("resources/exchanges/*/*.json", r'"input_tokens": (\d)'),
    "decomposition": ("results/small/decompositions/*.jsonl", r'"components": [^\w]*(\w)'),
    "critique": ("results/small/critiques/detailscribe/*.jsonl", r'"refined_prompt": "(\w)'),
    "rewrite": ("results/small/rewrites/*/*.jsonl", r'"refined_prompt": "(\w)'),
    "manifest": ("results/small/images/original-12/*.jsonl", r'"seed": (\d)'),
    "score": ("results/small/scores/clip_score/*.jsonl", r'"score": -?(\d)'),
    "judgement": ("results/small/scores/judge-main/*.jsonl", r'"score": (\d)'),
    "ledger of scores": ("results/small/ledgers/scores/clip_score/*.jsonl", r'"score": -?(\d)'),
    "ledger of images": ("results/small/ledgers/images/original-11/*.jsonl", r'"sha256": "(\w)'),
    "selection": ("results/small/selections/*/*.jsonl", r'"score": -?(\d)'),
    "dictionary": ("results/small/dictionary.jsonl", r'"prompt": "(\w)'),
    "dropped rows": ("results/small/dropped.tsv", r"(i)d"),
    "scores of a scenario": ("results/small/tables/scores.csv", r"\n.*?(\d)"),
    "table of a scenario": ("results/small/tables/main.csv", r"\n.*?(\d)"),
    "costs": ("results/small/tables/cost.csv", r"\n.*?(\d)"),
    "table of the study": ("results/tables/main.csv", r"\n.*?(\d)"),
}
KEPT = ("decompositions", "critiques", "rewrites", "images", "scores", "selections", "tables")


def change(study: Study, pattern: str, text: str, used: set[Path]) -> Path:
    """Change one character of a file, and keep its times."""
    for path in sorted(study.folder.glob(pattern)):
        content = path.read_text(encoding="utf-8")
        if path not in used and (match := re.search(text, content)):
            place = match.start(1)
            new = "7" if content[place] != "7" else "8"
            times = path.stat()
            path.write_text(content[:place] + new + content[place + 1 :], encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            used.add(path)
            return path
    raise AssertionError(f"nothing to change in {pattern}")


def finished_files(study: Study) -> dict[str, bytes]:
    """Bytes of every row file and table."""
    found = [path for folder in KEPT for path in study.results.glob(f"small/{folder}/**/*.*l")]
    found += [
        *study.results.glob("*/tables/*.csv"),
        *study.results.glob("tables/*.csv"),
        *study.results.glob("small/d*.*"),
    ]
    return {
        name: path.read_bytes() for path in found if "changed" not in (name := str(path.relative_to(study.results)))
    }


def test_one_changed_digit_of_anything_is_named_and_made_again(study):
    before, images = finished_files(study), study.images()
    calls, used = study.exchanges(), set()
    changed = {name: change(study, *what, used) for name, what in CHANGES.items()}
    assert study.nothing_to_do()
    output = study.snakemake("verify")
    unnamed = {name for name, path in changed.items() if str(path.relative_to(study.folder)) not in output}
    assert not unnamed, output
    study.snakemake()
    assert finished_files(study) == before
    assert study.images() == images and study.exchanges() == calls
    assert "0 problems" in study.snakemake("verify")
    assert study.nothing_to_do()
    assert list((study.results / "changed").rglob("*.json*")), "nothing that somebody wrote is deleted"


def test_rows_of_a_manifest_that_were_swapped_are_refused_before_they_are_scored(study):
    before, table = finished_files(study), study.table()
    manifest = next(study.results.glob("small/images/original-11/*.jsonl"))
    first, second, *others = read_rows(manifest)
    write_rows(manifest, [first | {"id": second["id"]}, second | {"id": first["id"]}, *others])
    assert "which is not its own image" in study.snakemake(expect=1)
    assert str(manifest.relative_to(study.folder)) in study.snakemake("verify")
    study.snakemake()
    assert finished_files(study) == before and study.table() == table


@pytest.mark.parametrize(("old", "new"), [("{line}", "{line}{line}"), ('"score": ', '"score": 1e999, "old": ')])
def test_scores_that_cannot_be_are_refused_by_place(study, old, new):
    scores = next(study.results.glob("small/scores/clip_score/*.jsonl"))
    line = scores.read_text().splitlines(keepends=True)[0]
    scores.write_text(scores.read_text().replace(old.format(line=line), new.format(line=line), 1))
    output = study.snakemake(expect=1)
    assert re.search(r"clip_score/000-of-001.jsonl, line \d: .*delete the file and run again", output)
    assert "Traceback" not in output
    scores.unlink()
    study.snakemake()
    assert all(json.loads(row)["score"] != float("inf") for row in scores.read_text().splitlines())


def test_a_folder_copied_without_its_times_says_how_to_copy_it_and_makes_nothing_anew(study, tmp_path):
    copy = Study(tmp_path / "copy")
    shutil.copytree(study.folder, copy.folder, copy_function=shutil.copyfile)
    for _ in range(2):
        assert "Copy it with `cp -a`" in copy.snakemake("-n")
    times, calls, before = copy.times(), copy.exchanges(), finished_files(study)
    assert "Copy it with `cp -a`" in copy.snakemake()
    assert (copy.times(), copy.exchanges(), finished_files(copy)) == (times, calls, before)
    assert copy.nothing_to_do() and "cp -a" not in copy.snakemake("-n")
