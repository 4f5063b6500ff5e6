"""Forecast and account of a pilot: models' needs from the table, and what jobs left on disk."""

import json
import shutil

import pytest

from detailscribe.engines.gpu.peak_memory import MEMORY_FILE, read_peak_memory, record_peak_memory
from detailscribe.llm.model_names import read_retirements
from detailscribe.operations.pilot.account import pilot_account
from detailscribe.operations.pilot.forecast import pilot_forecast
from detailscribe.operations.pilot.model_needs import model_needs
from detailscribe.study.pilot import pilot_config
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.unit.study.configured import configured_study

PRICES = {"input_usd_per_million": 0, "output_usd_per_million": 0}
JUDGE = {"kind": "vllm", "version": "1", "in_flight": 2, "timeout_s": 9, "max_retries": 0, **PRICES}
JUDGE |= {"model": "google/gemma-4-31B-it", "revision": "a" * 40}
UNKNOWN = JUDGE | {"model": "lab/unknown"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def open_study(**changes):
    judges = {"main": {"endpoint": "judge", "model": "gemma"}}
    settings = {"image_model": "sd35_large_24gb", "endpoints": {"judge": JUDGE}, "judges": judges}
    return configured_study(**settings | changes)


def test_one_seed_is_left_out_the_last_extra_one_first():
    config = {"scenarios": {}, "seeds": [1, 2], "extra_seeds": [3, 4]}
    pilot_config(config)
    assert (config["seeds"], config["extra_seeds"]) == ([1, 2], [3])
    config["extra_seeds"] = []
    pilot_config(config)
    pilot_config(config)
    assert (config["seeds"], config["extra_seeds"]) == ([1], []), "one seed is needed"
    assert config["scenarios"] == {"toy_data_001": "resources/interacting/toy_data_001.jsonl"}


def test_needs_of_models_come_from_the_table_and_miniatures_need_none(folder):
    assert {(need.memory_gb, need.weights_gb) for need in model_needs(configured_study())} == {(0.0, 0.0)}
    needs = {need.model: need for need in model_needs(open_study())}
    assert needs["stabilityai/stable-diffusion-3.5-large"].memory_gb == 16.2
    assert needs["google/gemma-4-31B-it"].memory_gb == 71.5 and not needs["google/gemma-4-31B-it"].is_here


def test_open_weights_of_the_table_do_not_retire():
    text = (REPOSITORY / "config" / "models.tsv").read_text()
    assert "Qwen/Qwen2.5-VL-32B-Instruct\t\thuggingface.co" in text
    assert {host for host, _ in read_retirements(REPOSITORY / "config" / "models.tsv")}.isdisjoint({"huggingface.co"})


def test_a_forecast_names_the_largest_model_the_disk_and_what_nobody_knows(folder):
    study = open_study(plan={"step_s": 0.5, "load_s": 60, "score_s": 0.1, "server_start_s": 180, "call_s": 2})
    lines = pilot_forecast(study, stage_parameters(study))
    assert lines[0] == "Pilot: toy_data_001, 5 seeds. It needs:"
    assert lines[1] == "  GPU memory: 71.5 GB for google/gemma-4-31B-it (derived); one model at a time"
    assert lines[2].startswith("  disk: 90.4 GB of weights, of which 90.4 GB are to be fetched (`snakemake weights`)")
    assert lines[2].endswith("; 34 MB of images (assumed)")
    assert lines[3].endswith("80 images, 80 calls to models, 1 starts of a server") and "not measured" not in lines[3]
    unknown = open_study(endpoints={"judge": UNKNOWN})
    lines = pilot_forecast(unknown, stage_parameters(unknown))
    assert "not known for lab/unknown" in lines[1] and "not known for lab/unknown" in lines[2]
    assert lines[3].startswith("  time: not measured yet;")


def benchmark(folder, job: str, seconds: float) -> None:
    file = folder / "benchmarks" / f"{job}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")


def test_an_account_sums_what_jobs_left_on_disk(folder):
    tables = folder / "results" / "toy_data_001" / "tables"
    tables.mkdir(parents=True)
    (tables / "cost.csv").write_text("stage,calls,cost_usd\ndecompose,5,0.25\njudge,20,1.5\n")
    (tables / "weights").write_bytes(bytes(2_000_000))
    job = "judge_images/toy_data_001/main/000-of-001"
    benchmark(folder, job, 240.0)
    benchmark(folder, "generate_images/toy_data_001/000-of-001", 600.0)
    benchmark(folder, "generate_images/other/000-of-001", 9999.0)
    log = folder / "logs" / f"{job}.log"
    log.parent.mkdir(parents=True)
    log.write_text("Endpoint 'judge': vllm is ready after 140 s\njudge_images: 100%|##| 50/50 [01:40<00:00]\n")
    row = {"rule": "generate_images", "log": "logs/generate_images/toy_data_001/000-of-001.log", "gpu": "a"}
    row |= {"peak_bytes": 30_100_000_000, "gpu_bytes": 85_000_000_000}
    other = row | {"log": "logs/generate_images/other/000-of-001.log", "peak_bytes": 80_000_000_000}
    text = f"{json.dumps(row)}\n{json.dumps(other)}\n{{half"
    (folder / "results" / MEMORY_FILE).write_text(text)
    assert pilot_account(folder / "results", 900.0)[1:6] == [
        "  GPU memory: 30.1 of 85.0 GB, by generate_images; that of servers could not be measured",
        "  disk: 2 MB of results, 0.0 GB of weights",
        "  time: 15.0 minutes of this run; by rule: generate_images 10.0, judge_images 4.0",
        "  dollars: 1.75 for 25 calls to models",
        "  servers: set `plan: {server_start_s: 140, call_s: 2}`",
    ]
    served = row | {"rule": "judge_images", "log": str(log), "peak_bytes": 71_000_000_000, "server": True}
    (folder / "results" / MEMORY_FILE).write_text(f"{text[: -len('{half')]}{json.dumps(served)}\n")
    expected = "  GPU memory: 71.0 of 85.0 GB, by the server of judge_images"
    assert pilot_account(folder / "results", 900.0)[1] == expected
    shutil.rmtree(folder / "logs")
    assert "servers: set" not in " ".join(pilot_account(folder / "results", 900.0))


def test_a_job_that_used_no_gpu_records_no_memory(folder):
    record_peak_memory(folder, "tables", "logs/tables.log")
    assert read_peak_memory(folder) == []


def test_the_peak_of_a_gpu_job_is_recorded(folder, monkeypatch):
    class Cuda:
        is_available = is_initialized = staticmethod(lambda: True)
        max_memory_reserved = staticmethod(lambda: 7)
        get_device_name = staticmethod(lambda number: "a GPU")
        get_device_properties = staticmethod(lambda number: type("Properties", (), {"total_memory": 9}))

    monkeypatch.setitem(__import__("sys").modules, "torch", type("torch", (), {"cuda": Cuda}))
    record_peak_memory(folder, "generate_images", "logs/a.log")
    [row] = read_peak_memory(folder)
    assert (row["peak_bytes"], row["gpu_bytes"], row["gpu"]) == (7, 9, "a GPU")
