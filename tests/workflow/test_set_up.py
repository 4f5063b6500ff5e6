"""Set-up: bad input is refused before any work, in one message; the published study dry-runs; cores of `make`."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from detailscribe.errors import InputError
from detailscribe.prompts.prompt_file import read_prompts
from tests.workflow.small_study import PROMPTS, REPOSITORY, Study


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"topic": "a", "prompt": "b"', "small.jsonl, line 5: invalid JSON"),
        (b'{"topic": "a"}', "small.jsonl, line 5: key 'prompt' is missing"),
        (b'{"topic": "a", "prompt": "  "}', "small.jsonl, line 5: prompt must be a non-empty string"),
        (
            json.dumps(dict(zip(("topic", "prompt"), PROMPTS[0], strict=True))).encode(),
            "the same topic and prompt as line 1",
        ),
        (b'{"topic": "caf\xe9", "prompt": "b"}', "small.jsonl, line 5: not UTF-8"),
    ],
    ids=["not json", "missing key", "empty prompt", "duplicate", "not utf-8"],
)
def test_bad_prompts_are_refused(tmp_path, line, message):
    file = tmp_path / "small.jsonl"
    Study(tmp_path).prompts(PROMPTS)
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_prompts(file)
    assert "\n" not in str(caught.value)


def test_bad_prompts_are_refused_before_any_work(fresh):
    file = fresh.folder / "small.jsonl"
    file.write_bytes(file.read_bytes() + b'{"topic": "a"}\n')
    assert "small.jsonl, line 5: key 'prompt' is missing" in fresh.snakemake(expect=1)
    assert not (fresh.results / "small").exists()


def test_a_misspelt_key_is_refused(fresh):
    assert "guidence" in fresh.snakemake("-n", expect=1, generation={"guidence": 3})


def test_an_unknown_name_is_refused_with_the_names_there_are(fresh):
    assert (
        "image_model: 'sd4' is not one of image_models: flux_dev, miniature, qwen_image, sd35_large_24gb"
        in fresh.snakemake("-n", expect=1, image_model="sd4")
    )


def test_the_published_study_dry_runs_without_gpu_key_or_weights(tmp_path):
    study = Study(tmp_path)
    command = study.command("-n")
    command[command.index("--configfile") + 1] = str(REPOSITORY / "config" / "paper.yaml")
    run = subprocess.run(command, cwd=tmp_path, env=study.env(), capture_output=True, text=True)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output[-3000:]
    for rule in ("fetch_interacting", "decompose_prompts", "generate_images", "refine_images", "score_images"):
        assert rule in output
    assert "build_miniature" not in output


def test_a_missing_key_is_one_message_that_names_its_variable(fresh):
    endpoint = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "SOME_API_KEY"}
    base = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))["endpoints"]["openai"]
    output = fresh.snakemake(
        "small_decompose",
        expect=1,
        endpoints={"local": base | endpoint},
        roles={"decompose": {"endpoint": "local", "model": "some-model"}},
    )
    assert any("decompose_prompts:" in line and "SOME_API_KEY" in line for line in output.splitlines())


def test_the_schema_explains_every_key_and_lets_no_unknown_one_through():
    schema = yaml.safe_load((REPOSITORY / "config" / "config.schema.yaml").read_text(encoding="utf-8"))

    def walk(node, place: str) -> None:
        if not isinstance(node, dict):
            return
        for name, value in node.get("properties", {}).items():
            described = schema["$defs"][value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else value
            assert described.get("description"), f"{place}{name} has no description"
            walk(value, f"{place}{name}.")
        plugin = {"module", "refiner"} & node.get("properties", {}).keys()  # whose further keys are its own
        if "properties" in node and not plugin:
            assert node.get("additionalProperties") is False, f"{place} lets unknown keys through"
        walk(node.get("additionalProperties"), f"{place}*.")
        for inner in node.get("anyOf", []):
            walk(inner, place)

    walk(schema, "")
    for name, definition in schema["$defs"].items():
        walk(definition, f"{name}.")


@pytest.mark.parametrize("threads", ["1", "64"])
def test_the_demo_uses_all_cores_whatever_limits_the_threads_of_a_process(threads):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "CORES"))}
    command = ["make", "--dry-run", "demo"]
    run = subprocess.run(
        command, cwd=REPOSITORY, env=env | {"OMP_NUM_THREADS": threads}, capture_output=True, text=True, check=True
    )
    assert f" --cores {len(os.sched_getaffinity(0))} " in run.stdout


@pytest.mark.parametrize("name", ["a b", "{y}", "it's", 'a"b', "do$lar", "back\\slash", "tick`", "(x)", "[x]", "a&b"])
def test_a_folder_from_which_no_job_can_start_is_refused_before_anything_is_installed(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("Makefile", "constraints.txt", *(path.name for path in REPOSITORY.glob("requirements*.txt"))):
        shutil.copy2(REPOSITORY / file, folder)
    run = subprocess.run(["make", "demo", "PYTHON=/bin/true"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 2 and f"The path of this folder, {folder}, has a blank" in run.stdout
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("name", ["plain", "ünï", "per%cent", "a,b=c+d@e:f~g#h"])
def test_other_folders_are_installed_into(tmp_path, name):
    folder = tmp_path / name
    (folder / ".venv" / "bin").mkdir(parents=True)
    for file in ("Makefile", "constraints.txt", *(path.name for path in REPOSITORY.glob("requirements*.txt"))):
        shutil.copy2(REPOSITORY / file, folder)
    python = folder / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    run = subprocess.run(["make", "setup", "PYTHON=/bin/true"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "--require-hashes -r requirements-model.txt" in run.stdout and (folder / ".venv" / "ready").exists()


def test_a_workflow_whose_path_has_a_brace_is_one_sentence(tmp_path):
    code = tmp_path / "{y}"
    code.mkdir()
    for name in ("Snakefile", "config", "rules", "scripts", "detailscribe", "profiles"):
        (code / name).symlink_to(REPOSITORY / name)
    command = [sys.executable, "-m", "snakemake", "-n", "demo_decompose", "--cores", "1"]
    run = subprocess.run(command, cwd=code, capture_output=True, text=True)
    output = run.stdout + run.stderr
    assert run.returncode == 1 and "Traceback" not in output
    assert f"the path of the workflow, {code}, has a '{{'" in output
