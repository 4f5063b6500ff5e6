"""Hosted models: preflight, cost, budget, refresh, archives, and no key in any file."""

import csv
import io

import pytest

from detailscribe.llm.spending.spend_log import read_spending
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study
from tests.chat_server import ChatServer
from tests.workflow.small_study import PROMPTS, merged
from tests.workflow.test_chat_stages import on

pytestmark = pytest.mark.slow  # several runs of a study each

KEY = "sk-planted-0123456789abcdef"
ORGANISATION = "org-planted0123456789"
PASSWORD = "pass-planted-0123"


def keyed(server: ChatServer) -> dict:
    """Every role at a server that wants a key, with a password in its address."""
    url = server.base_url.replace("http://", f"http://someone:{PASSWORD}@")
    return merged(on(server), {"endpoints": {"server": {"key_env": "TEST_KEY", "base_url": url, "max_retries": 3}}})


def cost(study) -> list[dict]:
    """Rows of the pooled cost table."""
    return list(csv.DictReader(io.StringIO((study.results / "tables" / "cost.csv").read_text())))


def test_a_study_is_packed_and_replayed_elsewhere_without_key_network_or_a_leak(study, fresh, tmp_path):
    error = {"message": f"slow down, {KEY} of {ORGANISATION} at {PASSWORD}", "code": None}
    met = set()

    def fault(role, prompt):
        first = (role, prompt) not in met
        met.add((role, prompt))
        return (429, error) if first and role == "decompose" else (400, error) if role == "rewrite" else None

    env = {"TEST_KEY": KEY, "OPENAI_ORG_ID": ORGANISATION}
    with ChatServer(models={"some-model": None}, fault=fault) as server:
        config = keyed(server)
        output = study.snakemake(env=env, **config)
        assert server.gets == ["/v1/models"], "one preflight a run"
        assert server.calls[0]["headers"]["openai-organization"] == ORGANISATION
        assert server.calls[0]["headers"]["authorization"].startswith("Basic"), "what the address holds goes first"
        assert study.nothing_to_do(**config)
        study.snakemake(env=env, **config)
        assert len(server.gets) == 1, "a run without work asks nothing"
    packed = tmp_path / "study.tar.gz"
    pack_study(packed, study.folder, images=True)
    unpack_study(packed, fresh.folder)
    fresh.snakemake(**merged(config, {"exchanges": "replay"}))

    for secret in (KEY, ORGANISATION, PASSWORD):
        assert secret not in output
        folders = [study.folder, fresh.folder]
        kept = [
            path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != "small.yaml"
        ]
        assert len(kept) > 100
        assert [path for path in kept if secret.encode() in path.read_bytes()] == []
    assert {row["reason"] for row in study.rows("rewrites/*/*.jsonl")} == {
        "the server rejected the request (HTTP 400: slow down, [key] of [key] at [key])"
    }
    patterns = ("decompositions/*", "critiques/*/*", "rewrites/*/*", "scores/*/*", "tables/*", "dropped.tsv")
    for pattern in patterns:
        paths = sorted((study.results / "small").glob(pattern))
        assert paths
        for path in paths:
            other = fresh.results / path.relative_to(study.results)
            assert other.read_bytes() == path.read_bytes(), path
    assert (fresh.results / "tables/main.csv").read_bytes() == (study.results / "tables/main.csv").read_bytes()

    rows = {(row["stage"], row["name"]): row for row in cost(study)}
    assert rows["decompose", ""]["calls"] == str(len(PROMPTS))
    assert float(rows["decompose", ""]["cost_usd"]) == pytest.approx(len(PROMPTS) * (100 * 2 + 20 * 8) / 1e6)
    assert rows["rewrite", "gpt_rewrite"]["unpriced"] == str(len(PROMPTS))
    assert (fresh.results / "tables/cost.csv").read_bytes() == (study.results / "tables/cost.csv").read_bytes()
    assert "Calls, tokens and dollars" in (study.results / "small/report/index.html").read_text()


def test_a_model_that_is_gone_stops_the_run_before_it_spends(fresh):
    with ChatServer(models={"other": None}) as server:
        output = fresh.snakemake("small_decompose", expect=1, **on(server))
        assert "has no model 'some-model' (it has other)" in output
        assert server.calls == []
        fresh.snakemake("-n", "small_decompose", **on(server))
        assert len(server.gets) == 1, "a dry run sends no request"
        output = fresh.snakemake("preflight", expect=1, **on(server))
        assert "has no model 'some-model'" in output
        allowed = merged(on(server), {"preflight": {"allow_models": ["some-model"]}})
        assert "1 models checked, 0 problems" in fresh.snakemake("preflight", **allowed)


def test_a_refresh_asks_once_and_the_earlier_answers_come_back_without_it(fresh):
    with ChatServer(answer=lambda body: f"<(concept: x) = (a{len(server.calls)}) + (b)>") as server:
        config = on(server)
        fresh.snakemake("small_decompose", **config)
        before = fresh.rows("decompositions/*.jsonl")
        refreshed = merged(config, {"refresh": {"decompose": 1}})
        fresh.snakemake("small_decompose", **refreshed)
        assert len(server.calls) == 2 * len(PROMPTS)
        assert fresh.rows("decompositions/*.jsonl") != before
        assert "Nothing to be done" in fresh.snakemake("small_decompose", **refreshed)
        fresh.snakemake("small_decompose", **config)
        assert fresh.rows("decompositions/*.jsonl") == before
        assert len(server.calls) == 2 * len(PROMPTS)


def test_a_plan_says_what_why_and_how_much_and_a_budget_stops(fresh):
    call = (100 * 2 + 20 * 8) / 1e6
    with ChatServer(delay_s=0.05) as server:
        config = merged(on(server), {"plan": {"step_s": 3600, "output_tokens": 50}})
        plan = fresh.snakemake("plan", **config)
        lines = {tuple(line.split()[:3]): line for line in plan.splitlines() if line.startswith("small")}
        assert (
            "4 new" in lines["small", "decompose", "-"] and "4 estimate" in lines["small", "critique", "detailscribe"]
        )
        assert " 16.000 " in lines["small", "generate", "original-11"], "4 images of 4 steps of an hour"
        assert server.calls == []
        stopped = merged(config, {"budget_usd": 2.5 * call, "endpoints": {"server": {"in_flight": 1}}})
        output = fresh.snakemake("small_decompose", expect=1, **stopped)
        assert "`budget_usd`" in output
        assert len(server.calls) == 2
        fresh.snakemake("small_decompose", **config)
        assert len(server.calls) == len(PROMPTS)
        assert sum(row["cost_usd"] for row in read_spending(fresh.folder / "resources" / "exchanges")) == (
            pytest.approx(len(PROMPTS) * call)
        )
        prompts = [(PROMPTS[0][0], PROMPTS[0][1] + " At night."), *PROMPTS[1:], ("new one", "A hen sweeps a step.")]
        fresh.prompts(prompts)
        plan = fresh.snakemake("plan", **config)
        line = next(line for line in plan.splitlines() if line.startswith("small") and "decompose" in line)
        assert "1 new, 1 changed prompt" in line and line.endswith("0.0007")
        roles = {"decompose": {"endpoint": "server", "model": "another-model"}}
        plan = fresh.snakemake("plan", **merged(config, {"roles": roles}))
        line = next(line for line in plan.splitlines() if line.startswith("small") and "decompose" in line)
        assert "1 new, 1 changed prompt, 3 changed parameter" in line
