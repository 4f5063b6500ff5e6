import re

import pytest
import yaml

from detailscribe.capsule.check.remade import place_of, rules_of, targets_of
from detailscribe.study.judging.judges import fill_judges
from detailscribe.study.stages import FIGURES, LLM_STAGE_OF_FOLDER, STAGES, stage_outputs
from detailscribe.study.study import Study
from tests.paths import REPOSITORY

# What a replay takes from the capsule: what needs images or weights.
TAKEN = re.compile(r"images/.*|scores/(?!judge-).*|tables/truncation(_shares)?\.csv|report/.*")
PARTS = ("generate", "select", "select_seed")


@pytest.fixture(scope="module")
def study() -> Study:
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    fill_judges(config)
    config["budget"]["in_tables"] = True
    config["selections"] = {
        "by_metric": {"among": ["original-2628670643"], "by": "clip_score"},
        "by_judge": {"among": ["original-2628670643"], "by": "judge-main"},
    }
    return Study(config, REPOSITORY)


def test_every_output_of_a_study_is_made_again_or_needs_an_image(study):
    files = [file.replace("{shard}", "000-of-001") for stage in STAGES for file in stage_outputs(study, stage)]
    assert len(files) > 60
    for file in files:
        taken = TAKEN.fullmatch(file) is not None or file.startswith("selections/by_metric/") or file == "prompts.jsonl"
        assert bool(rules_of(f"results/demo/{file}", study.config)) == (not taken), file


def test_every_rule_that_a_replay_may_run_exists_and_its_script_too(study):
    text = "\n".join(file.read_text(encoding="utf-8") for file in (REPOSITORY / "rules").glob("*.smk"))
    names = [file for stage in STAGES for file in stage_outputs(study, stage)]
    names = [f"study/results/demo/{name}".replace("{shard}", "000-of-001") for name in names]
    names += [
        f"study/results/tables/{name}.csv" for name in ("main", "pooled", "optimism", "judges", "published", "cost")
    ]
    rules = {rule for each in targets_of(names, study.config, True, True).values() for rule in each}
    assert len(rules) >= 20
    for rule in rules:
        assert re.search(rf"^rule {rule}:", text, re.M), rule
        block = text.partition(f"\nrule {rule}:")[2].partition("script:")[0]
        assert "FILES.weights(" not in block and "gpu=1" not in block and "_folder(" not in block, rule


@pytest.mark.parametrize("folder", sorted(set(LLM_STAGE_OF_FOLDER) - {"images"}))
def test_rows_of_every_model_are_made_again(folder, study):
    name = "judge-main" if folder == "scores" else "by_judge"
    name = "" if folder == "decompositions" else f"{name}/"
    assert rules_of(f"results/demo/{folder}/{name}000-of-001.jsonl", study.config)


def test_figures_and_parsed_rows_are_made_on_demand(study):
    names = [
        "study/results/demo/tables/main.csv",
        "study/results/demo/figures/one_column/main.svg",
        "study/results/demo/parts/000-of-001.jsonl",
        "README.md",
    ]
    every = [name.removeprefix("study/") for name in names[:-1]]
    assert list(targets_of(names, study.config, True, True)) == every
    assert list(targets_of(names, study.config, False, True)) == [every[0], every[2]]
    assert list(targets_of(names, study.config, True, False)) == every[:2]
    assert {f"results/demo/figures/{name}.svg" for name in FIGURES} == set(
        targets_of([f"study/results/demo/figures/{name}.svg" for name in FIGURES], study.config, True, True)
    )


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("results/demo/dropped.tsv", ("demo", "", "", "dropped.tsv")),
        ("results/demo/parts/000-of-001.jsonl", ("demo", "parts", "", "000-of-001.jsonl")),
        ("results/demo/scores/judge-a/000-of-001.jsonl", ("demo", "scores", "judge-a", "000-of-001.jsonl")),
        ("results/demo/figures/one_column/main.svg", ("demo", "figures", "one_column", "main.svg")),
        ("results/tables/main.csv", ("", "tables", "", "main.csv")),
        ("results/parameters/score-a.json", ("", "parameters", "", "score-a.json")),
    ],
)
def test_place_of_a_result(name, place):
    assert tuple(place_of(name).values()) == place
    assert place_of(f"study/{name}") == {} == place_of("resources/exchanges/aa/aa.json")
