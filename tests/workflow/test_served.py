"""A study whose models every job serves itself (a fake vLLM): one server per job, none in a replay, same tables."""

import json
import os
import shutil

import pytest

from detailscribe.engines.download import SERVED_FILES
from detailscribe.files.digests import file_sha256
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study
from tests.unit.llm.served_helpers import ENDPOINT, MODEL, FakeVllm
from tests.workflow.small_study import TABLE, Study, merged

ROLES = ["decompose", "critique", "refine", "rewrite"]


def served(study: Study, **changes) -> dict:
    """Config changes with which every job serves its model, whose weights are in a folder beside the study."""
    weights = study.folder.parent / "weights"
    weights.mkdir(exist_ok=True)
    (weights / "config.json").write_text("{}")
    local = {**ENDPOINT, "model": str(weights), "revision": ""}
    role = {"endpoint": "local", "model": MODEL}
    judges = {"main": {**role, "options": {"max_tokens": 64}}}
    return merged({"endpoints": {"local": local}, "roles": dict.fromkeys(ROLES, role), "judges": judges}, changes)


@pytest.mark.slow
def test_every_job_starts_one_server_and_a_replay_starts_none_and_gives_the_same_tables(study, tmp_path, monkeypatch):
    vllm, study.forked = FakeVllm(tmp_path, monkeypatch), False
    study.snakemake(**served(study))
    # Decompose, one critic, rewrite, judge; the other critic has nothing to ask, since the fake decomposes nothing.
    assert len(vllm.notes()) == 4
    assert vllm.left(within_s=5.0) == ""
    logs = sorted(
        path.relative_to(study.folder / "logs").as_posix() for path in study.folder.glob("logs/**/*.local.log")
    )
    assert len(logs) == 4 and "decompose_prompts/small/000-of-001.local.log" in logs
    assert study.nothing_to_do(**served(study))
    # Where the server runs is of no account; what it serves is.
    assert study.nothing_to_do(
        **served(study, endpoints={"local": {"command": "elsewhere", "options": {"context": 9}}})
    )
    assert "decompose_prompts" in study.snakemake("-n", **served(study, endpoints={"local": {"version": "0.33.1"}}))

    other = Study(tmp_path / "other", forked=False)
    other.take_miniature(study)
    shutil.copy2(study.folder / "small.jsonl", other.folder)
    shutil.copytree(study.folder / "resources" / "exchanges", other.folder / "resources" / "exchanges")
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{vllm.folder / 'bin'}{os.pathsep}"))
    other.snakemake(exchanges="replay", **served(study))
    assert len(vllm.notes()) == 4
    for name in (TABLE, "results/small/dropped.tsv", "results/small/dictionary.jsonl"):
        assert (other.folder / name).read_bytes() == (study.folder / name).read_bytes()


def fetched(study: Study) -> None:
    """Weights of `lab/seeing` at its branch `main`, as `snakemake weights` leaves them."""
    folder = study.folder.parent / "hub"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    record = {"repository": "lab/seeing", "revision": "main", "commit": "c" * 40, "asked": sorted(SERVED_FILES)}
    record |= {"folder": str(folder), "files": {path.name: file_sha256(path) for path in folder.iterdir()}}
    place = study.folder / "resources" / "weights" / "lab--seeing@main.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(record))


@pytest.mark.slow
def test_answers_of_a_branch_are_replayed_elsewhere_from_an_archive(study, fresh, tmp_path, monkeypatch):
    vllm, study.forked = FakeVllm(tmp_path, monkeypatch), False
    config = served(study, endpoints={"local": {"model": "lab/seeing", "revision": "main"}})
    fetched(study)
    study.snakemake(**config)
    starts = len(vllm.notes())
    assert starts == 4
    pack_study(tmp_path / "s.tar.gz", study.folder, images=True)
    unpack_study(tmp_path / "s.tar.gz", fresh.folder)
    assert str(tmp_path) not in (fresh.folder / "resources/weights/lab--seeing@main.json").read_text()
    fresh.snakemake(exchanges="replay", **config)
    assert len(vllm.notes()) == starts
    for name in (TABLE, "results/small/dropped.tsv", "results/small/dictionary.jsonl", "results/tables/main.csv"):
        assert (fresh.folder / name).read_bytes() == (study.folder / name).read_bytes()


def test_a_run_whose_server_does_not_start_ends_with_one_sentence_and_the_next_goes_on(study, tmp_path, monkeypatch):
    vllm, study.forked = FakeVllm(tmp_path, monkeypatch), False
    vllm.misbehave("memory")
    told = study.snakemake("results/small/decompositions/000-of-001.jsonl", expect=1, **served(study))
    sentence, *again = [line for line in told.splitlines() if "Endpoint 'local': its server vllm ended" in line]
    assert told.rstrip().endswith(again[-1]) and again[-1].startswith(sentence), "it is the last word, too"
    assert (
        sentence.startswith("decompose_prompts: ") and "logs/decompose_prompts/small/000-of-001.local.log" in sentence
    )
    vllm.misbehave("")
    study.snakemake("results/small/decompositions/000-of-001.jsonl", **served(study))
    assert len(study.rows("decompositions/*.jsonl")) == 4
    assert vllm.left(within_s=5.0) == ""
