"""The pilot: five prompts with one seed less, what it needs before, what it took after, and what a study reuses."""

import json
import re

import pytest

from tests.workflow.small_study import SMALL, Study, merged, planned

pytestmark = pytest.mark.slow  # several runs of a study each

TOY = {"study": ["toy_data_001"], "seeds": [11, 12], "extra_seeds": [13]}
ENDPOINT = {"in_flight": 2, "timeout_s": 5, "max_retries": 0, "input_usd_per_million": 1, "output_usd_per_million": 2}


@pytest.fixture
def toy(fresh) -> Study:
    """An unstarted study, with the prompts of the pilot on this machine."""
    file = fresh.folder / "resources" / "interacting" / "toy_data_001.jsonl"
    file.parent.mkdir(parents=True)
    rows = [{"topic": f"topic {n}", "prompt": f"A fox {n} holds a spoon."} for n in range(5)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return fresh


def images(study: Study) -> dict[str, int]:
    """Images on disk of the pilot's scenario, with their times."""
    files = (study.results / "toy_data_001" / "images").glob("*/*/*.jpg")
    return {f"{path.parent.parent.name}/{path.name}": path.stat().st_mtime_ns for path in files}


def test_a_pilot_says_what_it_needs_and_took_and_the_study_takes_it_over(toy):
    lines = toy.snakemake("pilot", **TOY).splitlines()
    start = lines.index("Pilot: toy_data_001, 2 seeds. It needs:")
    # Two seeds, a rewriter, three candidates (k of 0 and 1, and from noise) and the hosted set, of five prompts.
    assert lines[start + 1 : start + 5] == [
        *("  GPU memory: none", "  disk: 0 GB of weights, all of them here; 0 MB of images (assumed)"),
        *("  time: not measured yet; 35 images, 0 calls to models", "  dollars: 0.00"),
    ]
    end = lines.index("Pilot: it took:")
    assert start < next(n for n, line in enumerate(lines) if "Decomposing" in line) < end
    taken = " ".join(lines[end + 1 : end + 5])
    assert "GPU memory: none   disk" in taken and "dollars: 0.00 for " in taken
    assert re.search(r"time: \d+\.\d minutes of this run; by rule: .*generate_images \d", taken)
    before = images(toy)
    assert {name.partition("/")[0] for name in before if name.startswith("original")} == {"original-11", "original-12"}

    calls = toy.exchanges()
    toy.snakemake("toy_data_001_tables", **TOY)
    after = images(toy)
    assert after.items() >= before.items(), "no image is drawn again"
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == {"original-13"}
    assert toy.exchanges() == calls + 5, "the judge looks at the new images alone"


def test_a_dry_run_of_a_pilot_forecasts_calls_and_dollars_of_prompts_that_are_not_here_yet(fresh):
    endpoint = {**ENDPOINT, "kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": ""}
    role = {"endpoint": "server", "model": "some"}
    changes = merged(TOY, {"endpoints": {"server": endpoint}, "roles": {"decompose": role}})
    output = fresh.snakemake("-n", "pilot", **changes)
    assert "5 calls to models" in output and "dollars: 0.00" in output
    assert planned(output)["fetch_interacting"] == 1
    assert not (fresh.results / "toy_data_001" / "shards").exists()


def test_without_the_prompts_and_a_network_the_way_out_is_named(fresh):
    output = fresh.snakemake("pilot", expect=1, env={"https_proxy": "http://127.0.0.1:9"}, **TOY)
    [message] = [line for line in output.splitlines() if line.startswith("fetch_interacting:")]
    assert "toy_data_001.jsonl" in message and "`--config interacting_folder=FOLDER`" in message


def test_a_pilot_is_a_run_of_its_own_and_no_other_run_is_narrowed(toy):
    output = toy.snakemake("-n", "pilot", "small", expect=1, **TOY)
    assert "pilot: it has a configuration of its own; ask for the other targets in another run" in output
    leftover = {"DETAILSCRIBE_PILOT": "1"}  # of a shell, from wherever
    plan = toy.snakemake("-n", "toy_data_001_generate", env=leftover, **TOY)
    assert "original-13" in plan and "It needs:" not in plan
    assert SMALL["seeds"] == TOY["seeds"]
