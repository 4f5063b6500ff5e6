"""Retry: outputs with rows of the chosen statuses are removed, answers behind them move aside, nothing is lost."""

import json

import pytest

from detailscribe.errors import InputError
from detailscribe.files.rows import write_rows
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.operations.retry import remove_for_retry
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import question


def output(results, scenario, name, **statuses):
    """An output with one row per id; `id=(status, exchange)`."""
    path = results / scenario / "critiques" / name / "000-of-001.jsonl"
    rows = [{"id": id, "status": status, "reason": "", "exchange": digest} for id, (status, digest) in statuses.items()]
    write_rows(path, rows)
    return path


@pytest.fixture
def study(tmp_path):
    """Results and store of five recorded answers, of which some were unreadable."""
    with ChatServer(answer=lambda body: "unreadable") as server:
        endpoint = {"server": server.endpoint()}
        replies = Chat(endpoint, tmp_path / "store", "live").ask([question(n) for n in range(5)])
    one, two, three, four, five = (reply.digest for reply in replies)
    results = tmp_path / "results"
    outputs = {
        "failed": output(results, "s", "failed", a=("ok", one), b=("failed", "f" * 64)),
        "unparsed": output(results, "s", "unparsed", a=("ok", one), b=("unparsed", two)),
        "refused": output(results, "s", "refused", a=("ok", one), b=("refused", three)),
        "shared": output(results, "s", "shared", a=("unparsed", one)),
        "twin": output(results, "t", "twin", a=("unparsed", two), b=("ok", four)),
        "fine": output(results, "t", "fine", a=("ok", five), b=("skipped", None)),
    }
    return results, tmp_path / "store", outputs, dict(zip("12345", (one, two, three, four, five), strict=True))


def gone(outputs) -> set[str]:
    return {name for name, path in outputs.items() if not path.exists()}


@pytest.mark.parametrize(
    ("statuses", "removed", "moved"),
    [
        (["failed"], {"failed"}, ""),
        (["failed", "unparsed"], {"failed", "unparsed", "shared", "twin"}, "2"),
        (["unparsed"], {"unparsed", "shared", "twin"}, "2"),
        (["refused"], {"refused"}, "3"),
        (["failed", "unparsed", "refused"], {"failed", "unparsed", "refused", "shared", "twin"}, "23"),
    ],
)
def test_outputs_of_the_chosen_statuses_are_removed_and_their_answers_kept_aside(study, statuses, removed, moved):
    results, store, outputs, digests = study
    before = {digest: exchange_store.exchange_path(store, digest).read_bytes() for digest in digests.values()}
    *_, counts = remove_for_retry(results, ["s", "t"], statuses, store)
    assert gone(outputs) == removed
    aside = {digests[number] for number in moved}
    for digest, data in before.items():
        place = store / "replaced" / f"{digest}-1" / f"{digest}.json"
        assert (place if digest in aside else exchange_store.exchange_path(store, digest)).read_bytes() == data
    assert exchange_store.damaged_exchanges(store) == []
    assert ("answers moved to" in counts) is bool(moved)
    assert ("answers kept, since rows that are ok" in counts) is ("unparsed" in statuses)
    assert remove_for_retry(results, ["s", "t"], statuses, store)[-1].startswith("0 files removed")


def test_the_answer_is_asked_for_again_and_both_are_counted(study):
    results, store, _, digests = study
    remove_for_retry(results, ["s", "t"], ["unparsed"], store)
    with ChatServer(answer=lambda body: "<better>") as server:
        texts = [reply.text for reply in Chat({"server": server.endpoint()}, store, "live").ask([question(1)])]
        assert texts == ["<better>"] and len(server.calls) == 1
    exchange = json.loads(exchange_store.exchange_path(store, digests["2"]).read_text())
    assert [each["cost_usd"] for each in exchange["tries"]] == [exchange["cost_usd"]]
    output(results, "s", "again", a=("unparsed", digests["2"]))
    remove_for_retry(results, ["s", "t"], ["unparsed"], store)
    assert (store / "replaced" / f"{digests['2']}-2" / f"{digests['2']}.json").is_file()


def test_the_image_and_the_body_of_an_answer_go_with_it(tmp_path):
    with ChatServer() as server:
        chat = Chat({"server": server.endpoint()}, tmp_path, "live")
        [reply] = chat.ask([question(1, kind="image", role="image")])
        folder = exchange_store.replace_exchange(tmp_path, reply.digest)
        assert {path.suffix for path in folder.iterdir()} == {".json", reply.image.suffix}
        assert not reply.image.exists() and exchange_store.replace_exchange(tmp_path, reply.digest) is None
        chat.ask([question(1, kind="image", role="image")])
        assert reply.image.exists() and len(server.calls) == 2


@pytest.mark.parametrize(
    ("statuses", "mode", "message"),
    [
        (["ok"], "live", "retry_statuses: 'ok' is not one of failed, unparsed, refused"),
        (["unparsed"], "replay", "retry_statuses: 'unparsed' needs new answers; set `exchanges: live`"),
    ],
)
def test_what_cannot_be_made_again_is_refused_before_anything_is_removed(study, statuses, mode, message):
    results, store, outputs, _ = study
    with pytest.raises(InputError, match=message):
        remove_for_retry(results, ["s", "t"], statuses, store, mode)
    assert gone(outputs) == set()


def test_failed_rows_can_be_retried_in_replay(study):
    results, store, outputs, _ = study
    path = outputs["failed"]
    assert remove_for_retry(results, ["s"], ["failed"], store, "replay") == [
        f"{path}: has failed rows; removed",
        "1 files removed",
    ]


def test_of_the_parts_of_an_image_only_those_without_an_answer_are_asked_again(study):
    results, store, outputs, digests = study
    path = results / "s" / "scores" / "judge-parts" / "000-of-001.jsonl"
    parts = [{"text": name, "kind": "entity", "status": status} for name, status in (("a", "ok"), ("b", "unparsed"))]
    exchange = [digests[name] for name in "45"]
    write_rows(path, [{"id": "a", "image_set": "o", "status": "unparsed", "parts": parts, "exchange": exchange}])
    for name in ("unparsed", "shared", "twin", "fine"):
        outputs[name].unlink()
    remove_for_retry(results, ["s", "t"], ["unparsed"], store)
    assert not path.exists()
    there = {name for name in "45" if exchange_store.exchange_path(store, digests[name]).is_file()}
    assert there == {"4"}
