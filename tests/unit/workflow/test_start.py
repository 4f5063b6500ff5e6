"""Start of a run: what is refused before any job, and what is checked of the models."""

import re
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from detailscribe.operations import preflight_gpu
from detailscribe.operations.plan import study_plan
from detailscribe.prompts import spacy_model
from detailscribe.workflow import rule_names, start
from detailscribe.workflow.run_lock import lock_results
from tests.paths import REPOSITORY
from tests.unit.llm.served_helpers import ENDPOINT as SERVED
from tests.unit.llm.served_helpers import MODEL
from tests.unit.study.configured import CONFIG, configured_study


def run(*arguments: str, is_main_process: bool = True, **changes) -> start.WorkflowRun:
    return start.WorkflowRun({**deepcopy(CONFIG), **changes}, REPOSITORY, list(arguments), is_main_process)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(rule: str, **wildcards):
    return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards=wildcards)


def test_the_main_process_writes_what_the_graph_starts_from(tmp_path):
    run()
    assert (tmp_path / "results/parameters/critique-detailscribe.json").is_file()
    assert (tmp_path / "results/demo/prompts.jsonl").is_file()


def test_the_process_of_a_job_writes_nothing(tmp_path):
    started = run(is_main_process=False)
    started.before_jobs([])
    assert started.study.scenarios and not (tmp_path / "results").exists()


def test_an_entry_that_is_null_is_removed():
    assert "ablation" not in run(critics={**CONFIG["critics"], "ablation": None}).study.config["critics"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unknown_key": 1}, "unknown_key"),
        ({"study": ["nowhere"]}, "study: 'nowhere' is not one of scenarios"),
    ],
)
def test_an_invalid_configuration_is_one_message(changes, message):
    with pytest.raises(WorkflowError, match=message):
        run(**changes)


def test_a_results_folder_that_is_a_file_is_one_message(tmp_path):
    (tmp_path / "results").touch()
    with pytest.raises(WorkflowError, match="cannot write below results/ .*use --directory"):
        run()


@pytest.mark.parametrize(
    ("code", "interpreter", "message"),
    [
        ("/a/b-c_d.e/ünï %#~", "/v/bin/python3.11", ""),
        ("/a b/it's", "/opt/py+=,@:%~#/bin/python", ""),
        ("/a/{y}", "/v/bin/python", "the path of the workflow, /a/{y}, has a '{'"),
        ("/a/y}", "/v/bin/python", "the path of the workflow, /a/y}, has a '}'"),
        *(
            ("/a", f"/v{sign}w/bin/python", f"the path of Python, /v{sign}w/bin/python, has a {sign!r}")
            for sign in " \t\n'\"\\$`&|;<>()*?[]{}"
        ),
    ],
)
def test_a_path_from_which_no_job_can_start_is_refused(code, interpreter, message):
    problem = start.path_problem(Path(code), interpreter)
    assert problem.startswith(message) if message else not problem


def test_a_path_problem_and_a_warning_about_phrases_stand_at_the_start(monkeypatch, capsys):
    run()
    assert "Warning" not in capsys.readouterr().err
    monkeypatch.setattr(spacy_model, "installed_model", lambda: None)
    run(noun_phrases={"by": "auto", "folder": "noun_phrases"})
    assert capsys.readouterr().err.startswith("Warning: noun_phrases: by: auto takes rules, because")
    with pytest.raises(WorkflowError, match=r"noun_phrases: by: spacy: spaCy \S+ has no English model: install both"):
        run()
    monkeypatch.setattr(start.sys, "executable", "/a b/python")
    with pytest.raises(WorkflowError, match="the path of Python, /a b/python, has a ' '"):
        run()


def test_a_second_run_may_plan_and_not_run(tmp_path):
    first = lock_results()
    run("-n")
    with pytest.raises(WorkflowError, match="another run works in results/"):
        run()
    first.close()


def test_a_model_that_retired_stops_the_run_and_names_itself(capsys):
    hosted = {"endpoint": "openai", "model": "dall-e-3", "options": {}}
    unreachable = ENDPOINT | {"base_url": "https://api.openai.com:9/v1", "timeout_s": 1}
    started = run(external={"hosted": hosted}, endpoints={**CONFIG["endpoints"], "openai": unreachable})
    started.before_jobs([job("decompose_prompts"), job("tabulate_scenario")])  # offline, and no model at all
    with pytest.raises(WorkflowError, match=r"Preflight: The model 'dall-e-3' retired on"):
        started.before_jobs([job("gather_external", external="hosted")])
    assert "Preflight: Endpoint 'openai'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "an estimate for decompose"), ({"max_tokens": 100}, "a ceiling")],
    ids=["open", "limited"],
)
def test_the_start_says_what_the_budget_guarantees(capsys, options, said):
    role = {"endpoint": "openai", "model": "some-model", "options": options}
    endpoints, roles = {**CONFIG["endpoints"], "openai": ENDPOINT}, {**CONFIG["roles"], "decompose": role}
    started = run(budget_usd=5, endpoints=endpoints, roles=roles)
    started.before_jobs([job("critique_images", critic="detailscribe"), job("tabulate_scenario")])
    assert "Budget" not in capsys.readouterr().err, "these cost nothing"
    started.before_jobs([job("decompose_prompts")])
    assert f"Budget: 5 dollars, {said}" in capsys.readouterr().err


# Nothing listens at this address, so that only the table of retirement dates knows the model.
ENDPOINT = {
    **next(entry for entry in CONFIG["endpoints"].values() if entry["kind"] == "openai"),
    "base_url": "http://127.0.0.1:9/v1",
    "key_env": "",
}


def test_a_server_that_is_not_installed_stops_the_run_before_its_first_job(tmp_path, monkeypatch, capsys):
    local = SERVED | {"command": "no-such-vllm serve"}
    role = {"endpoint": "local", "model": MODEL, "options": {}}
    endpoints = {**CONFIG["endpoints"], "local": local}
    started = run(endpoints=endpoints, roles={**CONFIG["roles"], "decompose": role})
    (shard,) = [path.stem for path in (tmp_path / "results/demo/shards").glob("000*.jsonl")]
    jobs = [job("decompose_prompts", scenario="demo", shard=shard)]
    said = "Preflight: Endpoint 'local': the program 'no-such-vllm' is not on this machine: run `pip install 'vllm=="
    with pytest.raises(WorkflowError, match=re.escape(said)):
        started.before_jobs(jobs)
    with pytest.raises(WorkflowError, match=re.escape(said)):
        started.before_jobs([job("preflight")])
    started.before_jobs([job("critique_images", critic="detailscribe", scenario="demo", shard=shard)])
    assert "no-such-vllm" not in capsys.readouterr().err
    started.before_jobs(jobs, jobs_use_this_environment=False)
    assert said in capsys.readouterr().err, "another machine may have it"
    monkeypatch.setattr(study_plan, "stages_with_servers", lambda *_: {("rewrite", "gpt_rewrite")})
    started.before_jobs(jobs)  # all answers are recorded


def test_local_weights_and_gpus_are_looked_at_before_the_first_job(tmp_path, monkeypatch, capsys):
    local = SERVED | {"model": "/none/qwen", "command": "true serve", "options": {"tensor_parallel": 2}}
    roles = {**CONFIG["roles"], "decompose": {"endpoint": "local", "model": MODEL, "options": {}}}
    settings = {"endpoints": {**CONFIG["endpoints"], "local": local}, "roles": roles}
    gone = "Endpoint 'local': there is neither a file nor a folder '/none/qwen': put it there, or correct `model`."

    def run_elsewhere(name: str, *arguments: str, **changes) -> start.WorkflowRun:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        return run(*arguments, **settings | changes)

    run_elsewhere("dry", "-n")
    assert f"Warning: {gone}" in capsys.readouterr().err
    replay = run_elsewhere("replay", "-n", exchanges="replay")
    replay.before_jobs([job("preflight")], gpus=1)
    assert "/none/qwen" not in capsys.readouterr().err, "a replay starts no server"
    started = run_elsewhere("live")
    assert gone not in capsys.readouterr().err, "the preflight says it"
    with pytest.raises(WorkflowError) as stopped:
        started.before_jobs([job("preflight")], gpus=1)
    few, missing = sorted(str(stopped.value).splitlines())
    assert missing == f"Preflight: {gone}"
    assert few.startswith("Preflight: Endpoint 'local': ") and "`tensor_parallel`), but this run may use 1: run" in few
    with pytest.raises(WorkflowError, match="^Preflight: Endpoint 'local': there is neither a file"):
        started.before_jobs([job("weights")])


def test_a_judge_that_selects_is_asked_like_any_other(tmp_path, monkeypatch):
    local = SERVED | {"command": "no-such-vllm serve"}
    judges = {"grader": CONFIG["judges"]["main"] | {"endpoint": "local", "model": MODEL}}
    selections = {"best": {"among": ["initial", "detailscribe-k1"], "by": "judge-grader"}}
    endpoints = {**CONFIG["endpoints"], "local": local}
    started = run(endpoints=endpoints, judges={**CONFIG["judges"], **judges}, selections=selections)
    (shard,) = [path.stem for path in (tmp_path / "results/demo/shards").glob("000*.jsonl")]
    jobs = [job("select_by_judge", selection="best", scenario="demo", shard=shard)]
    with pytest.raises(WorkflowError, match="Preflight: Endpoint 'local': the program 'no-such-vllm' is not on this"):
        started.before_jobs(jobs)
    monkeypatch.setattr(study_plan, "stages_with_servers", lambda *_: set())
    started.before_jobs(jobs)  # all answers are recorded
    asking = [("select_by_judge", {"selection": "best"}), ("critique_images", {"critic": "ablation"})]
    asking += [("select_by_metric", {"selection": "best"}), ("decompose_prompts", {}), ("score_images", {})]
    stages = rule_names.llm_stages_of_jobs(asking, started.study.graph.selections)
    assert stages == {("judge", "grader"), ("critique", "ablation"), ("decompose", "")}


def test_jobs_that_draw_or_score_stop_where_torch_cannot_use_the_gpu(monkeypatch):
    asked = []

    def problem(image_models, folder, draws):
        asked.append([model["path"] for model in image_models])
        return "this machine has a GPU that torch cannot use" if folder == REPOSITORY else ""

    monkeypatch.setattr(preflight_gpu, "gpu_problem", problem)
    started = run(external={"hosted": CONFIG["external"]["hosted"], "large": {"image_model": "sd35_medium"}})
    drawing, scoring, other = job("generate_images"), job("score_images"), job("draw_external", external="large")
    started.before_jobs([job("decompose_prompts"), job("critique_images", critic="detailscribe")])
    started.before_jobs([drawing, scoring, other], jobs_use_this_environment=False)
    assert not asked, "no such job, or not here"
    for jobs in ([drawing], [scoring], [job("refine_images"), scoring], [other], [drawing, other], [job("preflight")]):
        with pytest.raises(WorkflowError, match=r"^Preflight: This machine has a GPU that torch cannot use\.$"):
            started.before_jobs(iter(jobs))
    small, large = "resources/miniature/sd3", CONFIG["image_models"]["sd35_medium"]["path"]
    assert asked == [[small], [], [small], [large], [small, large], [small, large]]
    started.study.config["preflight"]["allow_cpu"] = True
    started.before_jobs([drawing, scoring, other])
    assert len(asked) == 6


def test_the_rules_that_compute_on_a_gpu_are_those_that_ask_for_one():
    text = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))
    starts = list(re.finditer(r"^ *rule(?: (\w+):|:\s+name:\s+([\w.]+)$)", text, re.M))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    blocks = {start[1] or start[2]: text[start.start() : end] for start, end in zip(starts, ends, strict=True)}
    refining = "JOB.rule"  # of rules/refine.smk, whose names the graph gives
    asking = {name for name, block in blocks.items() if "gpu=1" in block}
    assert asking == {refining, rule_names.GENERATE, rule_names.DRAWING_EXTERNAL, *rule_names.SCORING_RULES}


def test_the_rules_that_send_requests_exist_with_their_wildcards():
    study = configured_study(topics={"mine": {"file": str(REPOSITORY / "README.md"), "kind": "functional"}})
    text = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))
    stages = {stage for stage, _ in study.llm_stages()}
    assert {stage for stage, _ in rule_names.LLM_RULES.values()} == stages
    for rule, (_, wildcard) in rule_names.LLM_RULES.items():
        block = text.split(f"rule {rule}:")[1].split("\nrule ")[0]
        assert "api_calls=" in block and f"{{{wildcard}}}" in block + "{}"
    scripts = {part.split(":")[0]: re.findall(r"scripts/(\w+\.py)", part) for part in text.split("\nrule ")[1:]}
    asking = {
        rule
        for rule, names in scripts.items()
        if any("chat_of(" in (REPOSITORY / "scripts" / name).read_text(encoding="utf-8") for name in names)
    }
    assert asking == set(rule_names.LLM_RULES)
