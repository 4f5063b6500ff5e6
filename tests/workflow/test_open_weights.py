"""Studies on open weights: planned without GPU, key, network or weights; served models; a second image model."""

import csv
import io
import json
import re
import sys
from functools import reduce
from pathlib import Path

import pytest
import yaml

from detailscribe.files.rows import read_rows
from tests.paths import REPOSITORY
from tests.workflow import snakemake_server
from tests.workflow.small_study import Study, merged, planned

pytestmark = pytest.mark.slow  # several runs of a study each

PRICES = {"input_usd_per_million": 0, "output_usd_per_million": 0}
SERVED = {"kind": "vllm", "model": "lab/seeing", "version": "0.33.0", "in_flight": 2, "timeout_s": 9, "max_retries": 0}
SECOND = {"external": {"hosted": None, "second": {"image_model": "second"}}}
CONFIGS = {"80 GB": ["open.yaml"], "24 GB": ["open.yaml", "open_24gb.yaml"]}


def shipped(folder, configs: list[str], *arguments: str) -> str:
    """What a run with shipped config files prints."""
    files = [str(REPOSITORY / "config" / name) for name in configs]
    command = ["--snakefile", str(REPOSITORY / "Snakefile"), *arguments, "--cores", "1", "--configfile", *files]
    status, output = snakemake_server.run(command, folder, Study(folder).env({"CUDA_VISIBLE_DEVICES": ""}))
    assert status == 0, output[-6000:]
    return output


@pytest.fixture
def folder(tmp_path):
    """A working folder with the prompts of one scenario of the paper."""
    (tmp_path / "resources" / "interacting").mkdir(parents=True)
    lines = [json.dumps({"topic": f"topic {n}", "prompt": f"A fox {n} holds a spoon."}) for n in range(8)]
    for name in ("functional_600", "compositional_200", "multi_subject_200"):
        (tmp_path / "resources" / "interacting" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize("configs", CONFIGS.values(), ids=CONFIGS)
def test_the_open_study_is_planned_without_gpu_key_network_or_weights(folder, configs):
    output = shipped(folder, configs, "-n")
    jobs = planned(output)
    assert jobs["fetch_weights"] == 8, "two image models, three language models, three metrics"
    assert jobs["draw_external"] == jobs["generate_images"] == jobs["decompose_prompts"] == 8
    assert jobs["judge_images"] == 16 and "gather_external" not in jobs


def test_the_plan_of_the_open_study_counts_the_servers_that_its_jobs_start(folder):
    lines = shipped(folder, CONFIGS["80 GB"], "plan").splitlines()
    [text] = [line for line in lines if line.startswith("Jobs start a server of their own")]
    used = [path for path in folder.glob("results/*_?00/shards/*.jsonl") if path.read_text()]
    stages = 7  # decomposition, rewriting, three critics, two judges
    assert f" {stages * len(used)} times" in text and "`plan: {server_start_s, call_s}`" in text
    (folder / "plan.yaml").write_text("plan: {server_start_s: 3600, call_s: 1, step_s: 1, load_s: 1, score_s: 1}\n")
    known = shipped(folder, [*CONFIGS["80 GB"], str(folder / "plan.yaml")], "plan")
    assert re.search(
        rf"{stages * len(used)} times, .* {stages * len(used)}\.000 of \d+\.\d+ GPU hours \(\d+%\); half", known
    )
    judge = next(line for line in lines if line.startswith("functional_600") and " judge " in line and "server" in line)
    assert judge.split()[2:4] == ["main", "server"] and judge.split()[6:8] == ["server", "start"]
    assert any(line.startswith("functional_600") and " external " in line and "qwen_image" in line for line in lines)


def test_the_open_studies_name_a_licence_and_a_memory_for_every_model_and_pin_it(folder):
    table = [line.split("\t") for line in (REPOSITORY / "config" / "models.tsv").read_text().splitlines()]
    rows = {(row[0], row[5]): row for row in table if len(row) > 5}
    config = merged(*(yaml.safe_load((REPOSITORY / "config" / name).read_text()) for name in CONFIGS["24 GB"]))
    for name, entry in config["endpoints"].items():
        row = rows[entry["model"], entry.get("quantization", "")]
        assert row[4] and float(row[6]) > 0 and float(row[7]) <= 80, name
        if name in OF_24_GB:
            share = entry["options"]["machine_flags"].get("gpu-memory-utilization", 1.0)
            assert float(row[7]) + 1.0 <= share * USABLE_GB, f"{name} has no room left on a GPU of 24 GB"
        assert len(entry["revision"]) == 40
    families = {config["judges"][name]["model"].split("/")[0] for name in ("main", "gemma")}
    assert len(families) == 2


OF_24_GB, USABLE_GB = ("qwen3_vl_8b", "qwen25_vl_7b", "gemma4_31b_q4"), 23.6  # an A10G or L4, as torch sees it
SIDE_PX = {"Qwen/Qwen3-VL": 32, "Qwen/Qwen2.5-VL": 28}  # of the square that a token stands for


@pytest.mark.parametrize("configs", CONFIGS.values(), ids=CONFIGS)
def test_an_image_of_1024_px_is_shown_whole_and_leaves_room_for_texts(configs):
    config = reduce(merged, [yaml.safe_load((REPOSITORY / "config" / name).read_text()) for name in configs])
    roles = [*config["roles"].values(), *config["judges"].values()]
    for entry in (config["endpoints"][name] for name in {role["endpoint"] for role in roles}):
        side_px = next((px for family, px in SIDE_PX.items() if entry["model"].startswith(family)), None)
        if side_px is None:
            continue  # Gemma shows every image in as many tokens
        size = entry["options"]["image_tokens"]
        most = size["size"]["longest_edge"] if "size" in size else size["max_pixels"]
        tokens = round(1024 / side_px)
        assert (tokens * side_px) ** 2 == most, "whole, and nothing larger"
        asked = [
            role["options"]["max_tokens"] for role in roles if role["model"] == entry["model"] and "options" in role
        ]
        assert tokens**2 + 2 * max(asked, default=0) <= entry["options"]["context"]


def served(revision: str) -> dict:
    """The small study whose prompts a server of the job decomposes."""
    entry = {**SERVED, **PRICES, "revision": revision}
    return {"endpoints": {"seeing": entry}, "roles": {"decompose": {"endpoint": "seeing", "model": "seeing"}}}


def test_a_job_that_serves_a_model_waits_for_its_weights_and_takes_a_gpu(fresh):
    output = fresh.snakemake("-n", "small_decompose", **served("a" * 40))
    block = output[output.index("Decomposing small") :].split("\n\n")[0]
    assert planned(output)["fetch_weights"] == 1
    hosted = fresh.snakemake("-n", "small_decompose", "--set-threads", "decompose_prompts=4")
    assert "fetch_weights" not in planned(hosted)
    parameters = json.loads((fresh.results / "parameters" / "weights-endpoint-seeing.json").read_text())
    assert (parameters["repository"], parameters["revision"]) == ("lab/seeing", "a" * 40)
    assert "results/weights/endpoint-seeing.json" in block
    replay = fresh.snakemake("-n", "small_decompose", **served("a" * 40), exchanges="replay")
    assert "fetch_weights" not in planned(replay), "a replay starts no server"


def test_no_model_is_asked_before_the_commit_of_its_branch_is_recorded(fresh):
    output = fresh.snakemake(
        "small_decompose", expect=1, env={"PATH": str(Path(sys.executable).parent)}, **served("main")
    )
    assert "Endpoint 'seeing': the program 'vllm' is not on this machine: run `pip install 'vllm==0.33.0'`" in output
    assert "revision 'main' of lab/seeing has no recorded commit yet; run `snakemake weights` first" in output
    assert fresh.exchanges() == 0 and not (fresh.results / "small" / "decompositions").exists()


def second_model(**changes) -> dict:
    """The small study with a second image model in the place of the hosted one."""
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    model = config["image_models"]["miniature"] | {"size_px": 48, **changes}
    return merged(SECOND, {"image_models": {"second": model}})


def test_an_external_set_is_drawn_by_a_second_image_model_and_becomes_a_row_of_the_tables(fresh):
    config = second_model()
    assert "gather_external" not in planned(fresh.snakemake("-n", **config))
    fresh.snakemake(**config)
    rows = read_rows(fresh.results / "small" / "images" / "second" / "000-of-001.jsonl")
    assert [row["status"] for row in rows] == ["ok"] * 4 and {row["seed"] for row in rows} == {11}
    assert all(row["file"].startswith("small/images/second/") and row["exchange"] is None for row in rows)
    others = {row["key"] for row in fresh.rows("images/original-11/*.jsonl")}
    assert not others & {row["key"] for row in rows}, "another model has another key"
    table = list(csv.DictReader(io.StringIO(fresh.table().decode())))
    assert {row["n"] for row in table if row["method"] == "second"} == {"4"}
    assert fresh.nothing_to_do(**config)

    before = fresh.times()
    lost = next(name for name in before if name.startswith("second/"))
    (fresh.results / rows[0]["file"]).unlink()
    fresh.snakemake("small_external", **config)
    changed = {name for name, time in fresh.times().items() if before.get(name) != time}
    assert changed == {f"second/{rows[0]['file'].rpartition('/')[2]}"} and lost

    fresh.snakemake("small_external", **second_model(precision="bf16"))
    now = read_rows(fresh.results / "small" / "images" / "second" / "000-of-001.jsonl")
    assert not {row["key"] for row in rows} & {row["key"] for row in now}
    assert fresh.times().items() >= {n: t for n, t in before.items() if not n.startswith("second/")}.items()


def test_an_unknown_image_model_is_refused(fresh):
    wrong = {"external": {"hosted": None, "second": {"image_model": "nothing"}}}
    assert "external: second: image_model: 'nothing' is not one of image_models" in fresh.snakemake(
        "-n", expect=1, **wrong
    )
