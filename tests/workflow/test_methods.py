"""The rules that every stage keeps, for each way to refine an image: deletion, change and change back, a kill, edits.

One study has all methods; what a change draws anew is in the table CHANGES.
"""

import os
import shutil
import signal
import subprocess
from collections import Counter

import pytest
from PIL import Image

from tests import stub_models
from tests.workflow.small_study import PROMPTS, Study, merged
from tests.workflow.test_incremental import written
from tests.workflow.test_survival import wait_for

pytestmark = pytest.mark.slow  # several runs of a study each

ROUND = {"role": "critique", "template": "critique_round", "decomposition": True, "reply": "brackets"}
KONTEXT = {"pipeline": "FluxKontextPipeline", "path": "resources/miniature/sd3", "revision": "", "precision": "fp32"}
KONTEXT |= {"offload": "none", "compile": "none", "batch": "image", "size_px": 32, "max_sequence_length": 32}
TEXT = {"text": "detailscribe"}
SEARCH = {"refiner": "noise_search", "verifier": "clip_score", "neighbours": 1}
METHODS = {
    "image_models": {"kontext": KONTEXT | {"call": {}, "notice": ""}},
    "critics": {
        "detailscribe": {"after_step": [1]},
        "round_2": ROUND | {"after_step": [1], "of": "detailscribe-k1", "stop": True},
        "last": ROUND | {"after_step": [0, 1], "of": "noise_search"},  # switches prompts in runs from moved noise
        "adviser": ROUND | {"after_step": "none", "of": "both_search-r1"},
    },
    "refiners": {
        "switch": {"refiner": "prompt_switch", "after_step": [1, 2], **TEXT},
        "scratch": {"refiner": "from_scratch", **TEXT},
        "sdedit": {"refiner": "sdedit", "strengths": [0.5], **TEXT},
        "noise_search": SEARCH,
        "both_search": SEARCH | {"texts": [["gpt_rewrite"], ["adviser"]], "verifier": "judge-main"},
        "best": {"refiner": "best_of", "n": 3, "verifier": "judge-main"},
        "edited": {"refiner": "editor", "image_model": "kontext", **TEXT},
    },
    "selections": {"chosen": {"among": ["initial", "sdedit-s50"], "by": "clip_score"}},
}
SETS = {
    *("round_2-k1", "last-k0", "last-k1", "switch-k1", "switch-k2", "scratch", "sdedit-s50", "edited"),
    *("noise_search-r1-n1", "noise_search-r2-n1", "best-2", "best-3"),
    *("both_search-r1-n1", "both_search-r1-gpt_rewrite", "both_search-r2-n1", "both_search-r2-adviser"),
}
IMAGES = "small_refine"
FOUR = len(PROMPTS)


@pytest.fixture(scope="module")
def base(finished, tmp_path_factory):
    """The small study after a run with all methods."""
    folder = tmp_path_factory.mktemp("methods") / "study"
    shutil.copytree(finished, folder, symlinks=True)
    base = Study(folder)
    base.snakemake(**METHODS)
    return base


@pytest.fixture
def study(base, tmp_path) -> Study:
    """A copy of it, with its mtimes."""
    shutil.copytree(base.folder, tmp_path / "study", symlinks=True)
    return Study(tmp_path / "study")


def test_every_method_has_an_image_of_each_prompt_and_a_second_run_does_nothing(base):
    assert {row["image_set"] for row in base.rows("scores/clip_score/*.jsonl")} >= SETS
    rows = [row for name in SETS for row in base.rows(f"images/{name}/*.jsonl")]
    assert Counter(row["status"] for row in rows) == {"ok": FOUR * len(SETS)}
    moved = base.rows("images/noise_search-r2-n1/*.jsonl")
    assert len({tuple(map(tuple, row["state"]["shifts"])) for row in moved}) == FOUR
    base.prompts(PROMPTS[::-1])
    assert base.nothing_to_do(**METHODS)
    base.prompts(PROMPTS)
    assert base.nothing_to_do(**METHODS)


def test_deleted_images_come_back_with_the_same_bytes_and_nothing_else_is_redone(study):
    images, before, table, exchanges = study.images(), study.times(), study.table(), study.exchanges()
    for name in SETS:
        (study.results / next(file for file in images if f"/{name}/" in file)).unlink()
    study.snakemake(**METHODS)
    assert study.images() == images
    assert written(before, study.times()) == dict.fromkeys(SETS, 1)
    assert (study.table(), study.exchanges()) == (table, exchanges)
    assert study.nothing_to_do(**METHODS)


LAST = {"last-k0", "last-k1"}  # looks at the best image of noise_search, which may be another
# A change; image sets that are drawn for every prompt; those that may be drawn, since they start from a best image.
CHANGES = {
    "k": ({"switch": {"after_step": [2, 0, 1]}}, {"switch-k0"}, set()),
    "strength": ({"sdedit": {"strengths": [0.5, 0.75]}}, {"sdedit-s75"}, set()),
    "share": ({"noise_search": {"share": 0.4}}, {"noise_search-r1-n1", "noise_search-r2-n1"}, LAST),
    "rounds": ({"noise_search": {"rounds": 3}}, {"noise_search-r3-n1"}, LAST),
    "neighbours": (
        {"noise_search": {"neighbours": 2}},
        {"noise_search-r1-n2", "noise_search-r2-n2"},
        {"noise_search-r2-n1", *LAST},
    ),
    "verifier": ({"noise_search": {"verifier": "judge-main"}}, set(), {"noise_search-r2-n1", *LAST}),
    "texts": (
        {"both_search": {"texts": [["gpt_rewrite", "detailscribe"], ["adviser"]]}},
        {"both_search-r1-detailscribe"},
        {"both_search-r2-n1", "both_search-r2-adviser"},
    ),
    "n": ({"best": {"n": 4}}, {"best-4"}, set()),
    "budget": ({"best": {"n": None, "budget_steps": 19}}, {"best-4"}, set()),
    "instruction": ({"edited": {"instruction": "Change the image: {text}"}}, {"edited"}, set()),
}


# Changes of different methods are one run.
RUNS = [
    ("k", "strength", "texts", "n", "instruction"),
    ("share", "budget"),
    ("rounds",),
    ("neighbours",),
    ("verifier",),
]


@pytest.mark.parametrize("run", RUNS)
def test_a_changed_setting_draws_what_depends_on_it_and_the_change_back_is_free(study, run):
    refiners, drawn, perhaps = zip(*(CHANGES[change] for change in run), strict=True)
    images, before = study.images(), study.times()
    study.snakemake(IMAGES, **merged(METHODS, {"refiners": {name: each[name] for each in refiners for name in each}}))
    changed, drawn = study.times(), set().union(*drawn)
    new = written(before, changed)
    assert {name: new[name] for name in drawn} == dict.fromkeys(drawn, FOUR)
    assert new.keys() <= drawn.union(*perhaps)
    study.snakemake(IMAGES, **METHODS)
    assert study.times() == changed
    back = study.images()
    assert {file: back[file] for file in images} == images


def test_an_edited_prompt_is_drawn_alone_and_more_shards_draw_nothing(study):
    images, before = study.images(), study.times()
    study.prompts([(PROMPTS[0][0], "Two otters carry a log together, one at each end."), *PROMPTS[1:]])
    study.snakemake(IMAGES, **METHODS)
    edited = study.times()
    new = written(before, edited)
    assert {name: new[name] for name in SETS} == dict.fromkeys(SETS, 1)
    study.prompts(PROMPTS)
    shards = merged(METHODS, {"scenarios": {"small": {"shards": 3}}})
    study.snakemake(IMAGES, **shards)
    assert not [name for name, time in study.times().items() if name not in edited]
    moved = {path.rsplit("/", 1)[1]: data for path, data in study.images().items()}
    own = {path.rsplit("/", 1)[1]: data for path, data in images.items() if "/hosted/" not in path}
    assert {name: moved.get(name) for name in own} == own


def test_a_killed_job_goes_on_where_it_was(base, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "study", symlinks=True)
    study, pattern = Study(tmp_path / "study", forked=False), "results/small/images/[bens]*/*/*.jpg"
    process = start_slowly(study)
    kept = len(list(study.folder.glob(pattern)))
    wait_for(process, study, pattern, kept + 5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = study.times()
    study.forked = True
    study.snakemake(IMAGES, **METHODS)
    assert sum(before[name] != time for name, time in study.times().items() if name in before) <= 1
    reference = base.images()
    assert {file: data for file, data in study.images().items() if file in reference} == reference


def start_slowly(study: Study) -> subprocess.Popen:
    """Start a run whose images take long enough to be interrupted."""
    environment = study.env({stub_models.DELAY: "0.05"})
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    return subprocess.Popen(study.command(IMAGES, **METHODS), cwd=study.folder, env=environment, **quiet)


def test_a_prompt_without_an_image_is_skipped_with_its_reason_and_the_others_are_drawn(study):
    (study.folder / "mine").mkdir()
    missing, *others = [row["id"] for row in study.rows("prompts.jsonl")]
    for number, id in enumerate(others):
        Image.linear_gradient("L").rotate(90 * number).save(study.folder / "mine" / f"{id}.png")
    names = ("sdedit", "scratch", "noise_search", "best", "edited")
    refiners = {name: METHODS["refiners"][name] | {"of": "imported"} for name in names}
    changes = {"image_models": METHODS["image_models"], "external": {"imported": {"folder": "mine"}}}
    study.snakemake(IMAGES, **changes, refiners=refiners)
    for name in ("sdedit-s50", "scratch", "noise_search-r1-n1", "noise_search-r2-n1", "best-2", "edited"):
        rows = {row["id"]: row for row in study.rows(f"images/{name}/*.jsonl")}
        assert "image of" in rows[missing]["reason"], rows[missing]
        assert {id: row["status"] for id, row in rows.items()} == {missing: "skipped", **dict.fromkeys(others, "ok")}
