"""Costs of a scenario: every paid call, those without a usable answer and the writing of the prompts among them."""

import json

import pytest

from detailscribe.files.rows import write_rows
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer, Request
from detailscribe.operations.costs import cost_csv, cost_rows

PRICES = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
USAGE = {"input_tokens": 100, "output_tokens": 20}
CALL_USD = (100 * 2 + 20 * 8) / 1e6


def recorded(store, text, *answers) -> str:
    """The digest of an exchange after these answers, one after the other."""
    request = Request("decompose", "server", "m", [{"role": "user", "content": text}])
    for answer in answers:
        exchange_store.record_answer(store, request, answer, PRICES)
    return request.digest


def test_each_paid_try_counts_and_the_writing_of_prompts_is_a_stage(tmp_path):
    store, ok = tmp_path / "store", Answer("ok", text="<a>", usage=USAGE, served_model="m-1")
    tries = Answer("ok", text="<a>", usage=USAGE, served_model="m-1", tries=(USAGE, None, USAGE))
    failed = Answer("failed", "the reply is empty", usage=USAGE, served_model="m-1")
    rejected = Answer("failed", "the server rejected the request", billed=False)
    digests = [
        recorded(store, "one", ok),
        recorded(store, "three", tries),
        recorded(store, "failed before", failed, ok),
        recorded(store, "rejected before", rejected, ok),
        recorded(store, "rejected", rejected),
    ]
    rows = tmp_path / "results" / "demo" / "decompositions" / "000-of-001.jsonl"
    write_rows(rows, [{"id": digest[:4], "exchange": digest} for digest in digests])
    written = tmp_path / "mine.exchanges.txt"
    written.write_text(recorded(store, "topic", ok, ok) + "\n" + recorded(store, "other topic", tries) + "\n")
    found = {(row["stage"], row["name"], row["served_model"]): row for row in cost_rows([rows], store, [written])}
    made, wrote = found["decompose", "", "m-1"], found["write", "mine", "m-1"]
    assert (made["calls"], made["input_tokens"], made["output_tokens"], made["unpriced"]) == (7, 700, 140, 0)
    assert made["cost_usd"] == pytest.approx(7 * CALL_USD)
    assert (wrote["calls"], wrote["cost_usd"]) == (4, pytest.approx(4 * CALL_USD))
    assert found["decompose", "", ""]["unpriced"] == 1, "a rejected request"
    assert cost_csv(cost_rows([rows], store)).count("\n") == 3
    path = exchange_store.exchange_path(store, digests[1])
    path.write_text(path.read_text().replace('"output_tokens": 20', '"output_tokens": 21', 1))
    with pytest.raises(ValueError, match="was edited"):
        exchange_store.load_exchange(path)


def test_exchanges_of_earlier_versions_have_no_tries(tmp_path):
    digest = recorded(tmp_path, "one", Answer("ok", text="<a>", usage=USAGE))
    path = exchange_store.exchange_path(tmp_path, digest)
    exchange = json.loads(path.read_text())
    assert "tries" not in exchange
    for tries in ([{"usage": USAGE}], [7], "x", {"a": 1}):
        path.write_text(json.dumps({**exchange, "tries": tries, "check": None} | {"check": "0"}))
        with pytest.raises(ValueError):
            exchange_store.load_exchange(path)


def test_a_stranger_s_exchange_of_impossible_costs_counts_as_unknown_and_an_old_one_by_what_it_has(tmp_path):
    store = tmp_path / "store"
    digests = [recorded(store, text, Answer("ok", text="<a>", usage=USAGE, served_model="m-1")) for text in "ab"]
    first, second = (exchange_store.exchange_path(store, digest) for digest in digests)
    odd = json.loads(first.read_text()) | {"tries": [{"usage": None}], "cost_usd": 10**399}
    first.write_text(exchange_store.exchange_text(odd))
    old = json.loads(second.read_text()) | {"usage": {"input_tokens": None}}
    del old["check"], old["cost_usd"], old["batch"]
    second.write_text(json.dumps(old))
    rows = tmp_path / "results" / "demo" / "decompositions" / "000-of-001.jsonl"
    write_rows(rows, [{"id": digest[:4], "exchange": digest} for digest in digests])
    assert [(row["calls"], row["input_tokens"], row["unpriced"]) for row in cost_rows([rows], store)] == [(1, 0, 1)] * 2


def test_cached_tokens_are_a_column_where_requests_begin_with_their_images(tmp_path):
    """Other studies keep their columns, whatever their servers report."""

    def told(folder, text, cached, images_first):
        request = Request("judge", "server", "m", [{"role": "user", "content": text}], images_first=images_first)
        details = {} if cached is None else {"prompt_tokens_details": cached}
        answer = Answer(
            "ok", text="4", usage=USAGE, served_model="m-1", body={"usage": {"prompt_tokens": 100, **details}}
        )
        exchange_store.record_answer(folder, request, answer, PRICES)
        return request.digest

    def table(name, *calls):
        digests = [told(tmp_path / name, str(n), *call) for n, call in enumerate(calls)]
        rows = tmp_path / name / "results" / "demo" / "scores" / "judge-main" / "000-of-001.jsonl"
        write_rows(rows, [{"id": digest[:4], "image_set": "a", "exchange": [digest]} for digest in digests])
        return cost_csv(cost_rows([rows], tmp_path / name)).splitlines()

    plain = "stage,name,model,served_model,batch,calls,input_tokens,output_tokens,cost_usd,unpriced"
    before = table("before", ({"cached_tokens": 64}, False))
    assert before[0] == plain and not before[1].endswith(",64")
    assert table("unknown", (None, True), ({"cached_tokens": "x"}, True), ([], True))[0] == plain
    counted = table("counted", ({"cached_tokens": 64}, True), (None, True), ({"cached_tokens": 32}, False))
    assert counted[0] == plain + ",cached_tokens" and counted[1].endswith(",3,300,60,0.00108,0,96")
    assert table("none", ({"cached_tokens": 0}, True))[1].endswith(",0,0")
