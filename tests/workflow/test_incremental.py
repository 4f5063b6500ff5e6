"""Incremental runs: what each change of a finished study makes again, and what it leaves alone."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter

from detailscribe.prompts.prompt_file import prompt_id
from tests.workflow.small_study import PROMPTS, REPOSITORY, planned

IMAGE_SETS = {
    "original-11",
    "original-12",
    "gpt_rewrite",
    "detailscribe-k0",
    "detailscribe-k1",
    "gpt_refine",
    "hosted",
}
# A decomposition, two critiques, a rewrite, a hosted image, and a judgement of each image.
EXCHANGES_OF_A_PROMPT = 1 + 2 + 1 + 1 + len(IMAGE_SETS)

HOLD_LOCK = """
import sys
from detailscribe.workflow.run_lock import lock_results
lock = lock_results()
print(lock, flush=True)
sys.stdin.read()
"""


def written(before: dict, after: dict) -> Counter:
    """Image sets of the files that are new or rewritten."""
    return Counter(name.split("/")[0] for name, time in after.items() if before.get(name) != time)


def test_second_run_does_nothing(study):
    assert study.nothing_to_do()


def test_an_edited_prompt_is_made_alone_going_back_is_free_and_gc_removes_what_is_left(study):
    table, before, exchanges, pages = study.table(), study.times(), study.exchanges(), site(study)
    made = set(study.images())
    edited = (PROMPTS[0][0], "Two otters carry a log together, one at each end.")
    study.prompts([edited, *PROMPTS[1:]])
    study.snakemake()
    made |= set(study.images())
    changed = study.times()
    assert written(before, changed) == Counter(dict.fromkeys(IMAGE_SETS, 1))
    assert study.exchanges() - exchanges == EXCHANGES_OF_A_PROMPT
    assert edited[1] in {row["prompt"] for row in study.rows("dictionary.jsonl")}
    assert_only_its_page_is_new(pages, site(study))

    added = ("new", "A crow drops a nut on a road.")
    study.prompts([*PROMPTS[2:], edited, added])  # the second one is removed
    study.snakemake()
    made |= set(study.images())
    before, changed = changed, study.times()
    assert written(before, changed) == Counter(dict.fromkeys(IMAGE_SETS, 1))
    assert study.exchanges() - exchanges == 2 * EXCHANGES_OF_A_PROMPT
    assert {row["prompt"] for row in study.rows("dictionary.jsonl")} >= {edited[1], added[1]}
    assert len(study.rows("dictionary.jsonl")) == len(PROMPTS)

    study.prompts(PROMPTS)
    study.snakemake()
    assert study.times() == changed
    assert study.table() == table

    old = made - set(study.images())
    assert len(old) == 2 * len(IMAGE_SETS) and "gc_delete removes them" in study.snakemake("gc")
    assert study.times() == changed
    assert "removed; listed in" in study.snakemake("gc_delete")
    assert {file for file in made if not (study.results / file).exists()} == old
    assert study.nothing_to_do()


def site(study) -> dict[str, int]:
    """Files of the scenario's site with their times."""
    folder = study.results / "small" / "report"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def assert_only_its_page_is_new(before: dict, after: dict) -> None:
    """After an edit of the prompt with topic carry-log."""
    redone = {name for name in after if name.startswith("prompts/") and after[name] != before.get(name)}
    gone = {name for name in before if name.startswith("prompts/")} - after.keys()
    assert len(gone) == 1 and next(iter(gone)).startswith("prompts/carry-log-")
    # Its neighbours in the order of ids link to the new page.
    assert 1 <= len(redone) <= 3 and sum(name.startswith("prompts/carry-log-") for name in redone) == 1
    kept = {name for name in before if name.startswith("thumbnails/")} & after.keys()
    assert kept and all(before[name] == after[name] for name in kept)


def test_changed_and_deleted_images_come_back_with_the_same_bytes(study):
    bytes_before, before, table = study.images(), study.times(), study.table()
    file = next(file for file in bytes_before if "/detailscribe-k0/" in file)
    path, time = study.results / file, (study.results / file).stat().st_mtime
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    os.utime(path, (time, time))
    assert study.nothing_to_do()
    assert "1 problems" in study.snakemake("verify")

    for image_set in ("original-11", "detailscribe-k1", "hosted"):
        file = next(file for file in bytes_before if f"/{image_set}/" in file)
        (study.results / file).unlink()
    shutil.rmtree(next((study.results / "small" / "images" / "original-12").glob("000*/")))
    study.snakemake()
    assert study.images() == bytes_before
    redone = dict.fromkeys(["original-11", "detailscribe-k0", "detailscribe-k1", "hosted"], 1)
    assert written(before, study.times()) == Counter(redone | {"original-12": len(PROMPTS)})
    assert study.table() == table
    assert study.nothing_to_do()
    assert "0 problems" in study.snakemake("verify")


def test_changed_guidance_makes_new_images_and_changing_it_back_is_free(study):
    bytes_before, table = study.images(), study.table()
    study.snakemake(generation={"guidance": 2.0, "steps": 4})
    changed = study.times()
    assert not {file for file in study.images() if "/hosted/" not in file} & set(bytes_before)
    study.snakemake()
    assert study.times() == changed
    assert study.images() == bytes_before
    assert study.table() == table


def test_another_k_generates_only_its_own_images(study):
    before = study.times()
    study.snakemake(critics={"detailscribe": {"after_step": [0, 1, 2]}})
    assert written(before, study.times()) == Counter({"detailscribe-k2": len(PROMPTS)})


def test_another_seed_draws_its_own_images_and_nothing_is_asked_again(study):
    before, exchanges = study.times(), study.exchanges()
    study.snakemake(seeds=[11, 12, 13])
    assert written(before, study.times()) == Counter({"original-13": len(PROMPTS)})
    assert study.exchanges() == exchanges + len(PROMPTS)  # the judge looks at the new images
    assert study.nothing_to_do(seeds=[11, 12, 13])


def test_reordered_prompts_and_touched_files_redo_nothing(study):
    study.prompts(PROMPTS[::-1])
    assert study.nothing_to_do()
    for path in ["small.jsonl", "results/parameters/decompose.json", *study.images()]:
        os.utime(study.folder / path if (study.folder / path).exists() else study.results / path)
    for path in (study.results / "small").glob("*/*/*.jsonl"):
        os.utime(path)
    assert study.nothing_to_do()


def test_lost_metadata_redoes_no_image(study):
    shutil.rmtree(study.folder / ".snakemake")
    before = study.times()
    study.snakemake()
    assert study.times() == before


def test_another_number_of_shards_moves_files_and_makes_none(study):
    bytes_before, before, table = study.images(), study.times(), study.table()
    more = {"scenarios": {"small": {"shards": 5}}}  # more than prompts: one at least is empty
    files = sorted((study.results / "small").rglob("*"))
    assert "generate_images" in study.snakemake("-n", **more)
    assert sorted((study.results / "small").rglob("*")) == files
    study.snakemake("small_generate", **more)
    assert study.times() == before
    assert {row["id"] for row in study.rows("prompts.jsonl")} == {prompt_id(*prompt) for prompt in PROMPTS}
    assert not [path for path in (study.results / "small").rglob("*-of-001*")]
    assert sum(not path.read_text() for path in study.results.glob("small/images/original-11/*.jsonl")) >= 1
    study.snakemake()
    assert study.times() == before
    assert study.images() == bytes_before
    assert study.table() == table


def test_the_image_of_the_first_seed_is_the_one_that_is_critiqued(study):
    study.snakemake("small_critique", seeds=[12, 11])
    shown = {row["sha256"] for row in study.rows("images/original-12/*.jsonl")}
    exchanges = [study.exchange(row["exchange"]) for row in study.rows("critiques/detailscribe/*.jsonl")]
    assert {image for exchange in exchanges for image in exchange["request"]["images"]} == shown


def test_a_removed_method_that_returns_is_scored_by_a_metric_added_meanwhile(study):
    second = {"metrics": {"second": {"module": "clip_score", "model": "local-dir:resources/miniature/clip"}}}
    second["metrics"]["second"] |= {"pretrained": "", "revision": ""}
    table, before = means(study), study.times()
    study.snakemake(critics={"gpt_refine": None}, **second)
    assert b"gpt_refine" not in study.table()
    study.snakemake(**second)
    assert {row["image_set"] for row in study.rows("scores/second/*.jsonl")} == IMAGE_SETS
    assert table <= means(study)
    assert study.times() == before


def means(study) -> set[tuple[str, ...]]:
    """Rows of the main table up to their intervals: the tests after these depend on the number of rows."""
    return {tuple(row.split(",")[:8]) for row in study.table().decode().splitlines()}


def test_a_new_version_of_an_algorithm_redoes_its_stage(study, tmp_path):
    copy = tmp_path / "repository"
    copy.mkdir()
    for name in ("Snakefile", "rules", "scripts", "config", "envs", "detailscribe", "profiles"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    module = copy / "detailscribe" / "methods" / "critique.py"
    module.write_text(re.sub(r"ALGORITHM = \d+", "ALGORITHM = 99", module.read_text()))
    command = study.command("-n")
    command[command.index("--snakefile") + 1] = str(copy / "Snakefile")
    run = subprocess.run(command, cwd=study.folder, env=study.env(), capture_output=True, text=True, check=True)
    assert planned(run.stdout + run.stderr)["critique_images"] == 2
    assert "decompose_prompts" not in planned(run.stdout + run.stderr)


def test_two_runs_at_once_are_refused(study):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK],
        cwd=study.folder,
        env={**study.env(), "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    holder.stdout.readline()
    study.prompts([*PROMPTS, ("new", "A crow drops a nut on a road.")])
    (study.results / "small" / "dropped.tsv").unlink()
    assert "another run works in results/" in study.snakemake(expect=1)
    holder.kill()
    holder.wait()
    assert "clean_dictionary" in study.snakemake("-n")
