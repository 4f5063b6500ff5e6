"""Plan of many methods in a fresh folder: each call, image and score once, as a run makes them."""

import re
from collections import Counter

import pytest
import yaml

from detailscribe.files.rows import write_rows
from detailscribe.operations.plan.study_plan import plan_study
from detailscribe.study.judging.judges import PAIRS, PROMPT
from detailscribe.study.judging.pair_schedule import compared_methods, schedule_of, scheduled_pairs
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.unit.study.configured import configured_study

RECORDS = [{"id": f"fox-{n}", "topic": "fox", "prompt": f"A fox {n}."} for n in "abc"]
ONE_SHARD = {"study": ["demo"], "scenarios": {"demo": {"file": "config/prompts/demo.jsonl", "shards": 1}}}
METHODS = yaml.safe_load((REPOSITORY / "config" / "methods.yaml").read_text(encoding="utf-8"))
BEAM = {"refiner": "noise_search", "verifier": "image_reward", "rounds": 40, "neighbours": 1, "width": 2}


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A function that plans a study in an empty folder: units of work by stage and name, loads and servers left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources" / "miniature" / "sd3").mkdir(parents=True)  # the identity of no weights
    write_rows(tmp_path / "results" / "demo" / "shards" / "000-of-001.jsonl", RECORDS)

    def plan(**changes):
        questions = {"judges": {"demo_parts": None, "demo_audit": None}}  # how many there are, replies decide
        study = configured_study(**ONE_SHARD, **questions, **changes)
        work: Counter = Counter()
        for line in plan_study(study, stage_parameters(study)).lines:
            if not re.search(r"(loads, texts|server)$", line.name):
                work[line.stage, line.name] += sum(line.reasons.values())
        return study, work

    return plan


@pytest.mark.parametrize("changes", [METHODS, {"refiners": {"beam": BEAM, "on": BEAM | {"of": "beam"}}}])
def test_every_unit_of_work_is_planned_once(planned, changes):
    study, work = planned(**changes)
    each, sets = len(RECORDS), len(study.image_sets())
    draws = {name: entry["draws"] for name, entry in study.config["judges"].items()}
    expected = {("judge", name): each * sets * draws[name] for name in study.judges_asked(PROMPT)}
    for name in study.judges_asked(PAIRS):
        methods = [method.name for method in compared_methods(study, name)]
        pairs = scheduled_pairs("any", methods, schedule_of(study, name))
        expected["judge", name] = each * 2 * len(pairs) * draws[name]
    expected |= {stage: each for stage in study.llm_stages() if stage[0] in ("decompose", "critique", "rewrite")}
    expected |= {("generate", name): each for name in [*study.originals(), *study.rewritten]}
    expected |= {("refine", made.name): each * len(made.image_sets) for made in study.graph.refinements}
    expected |= {("external", name): each for name in study.config["external"]}
    expected |= {("score", name): each * sets for name in study.config["metrics"]}
    assert work == expected
