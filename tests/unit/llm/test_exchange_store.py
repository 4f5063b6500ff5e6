"""Exchange store: digests, contents, damaged files."""

import json

import pytest

from detailscribe.llm import exchange_store
from detailscribe.llm.prices import cost_usd
from detailscribe.llm.request import Answer, Request
from detailscribe.miniature.stand_in_content import placeholder_png

PRICES = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}


def question(**changes) -> Request:
    messages = ({"role": "user", "content": "Prompt: a fox — ein Fuchs"},)
    values = {"role": "critique", "endpoint": "here", "model": "m", "messages": messages, "fields": {"id": "fox-1"}}
    return Request(**values | changes)


def answer(text="<fine>", **changes) -> Answer:
    return Answer("ok", text=text, usage={"input_tokens": 1000, "output_tokens": 500}, served_model="m-1", **changes)


def test_digest_does_not_depend_on_endpoint_role_and_fields():
    assert question(endpoint="there", role="judge", fields={}).digest == question().digest


@pytest.mark.parametrize(
    "change",
    [
        {"model": "m2"},
        {"messages": ({"role": "user", "content": "other"},)},
        {"options": {"temperature": 0}},
        {"draw": 1},
        {"kind": "image"},
    ],
)
def test_digest_depends_on_what_determines_the_answer(change):
    assert question(**change).digest != question().digest


def test_digest_depends_on_image_bytes_and_not_on_their_path(tmp_path):
    first, copy, other = tmp_path / "a.png", tmp_path / "sub.png", tmp_path / "b.png"
    first.write_bytes(placeholder_png("x"))
    copy.write_bytes(placeholder_png("x"))
    other.write_bytes(placeholder_png("y"))
    digests = [question(images=(path,)).digest for path in (first, copy, other)]
    assert digests[0] == digests[1]
    assert len({*digests, question().digest}) == 3


def test_recorded_exchange_reads_back(tmp_path):
    kept = exchange_store.record_answer(tmp_path, question(), answer(finish_reason="stop"), PRICES)
    assert kept == exchange_store.recorded_reply(tmp_path, question().digest)
    assert (kept.status, kept.text, kept.served_model, kept.image) == ("ok", "<fine>", "m-1", None)
    path = tmp_path / kept.digest[:2] / f"{kept.digest}.json"
    exchange = json.loads(path.read_text(encoding="utf-8"))
    assert exchange["cost_usd"] == pytest.approx(0.006)
    assert exchange["fields"] == {"id": "fox-1"}
    assert "ein Fuchs" in path.read_text(encoding="utf-8")
    assert exchange_store.damaged_exchanges(tmp_path) == []


def test_first_recorded_answer_is_kept(tmp_path):
    exchange_store.record_answer(tmp_path, question(), answer("<first>"), PRICES)
    assert exchange_store.record_answer(tmp_path, question(), answer("<second>"), PRICES).text == "<first>"
    assert exchange_store.recorded_reply(tmp_path, question().digest).text == "<first>"


def test_absent_exchange_is_none(tmp_path):
    assert exchange_store.recorded_reply(tmp_path, question().digest) is None
    assert exchange_store.damaged_exchanges(tmp_path / "nowhere") == []


def test_cost_is_unknown_without_usage_or_price():
    assert cost_usd(None, PRICES) is None
    assert cost_usd({"input_tokens": 1, "output_tokens": 1}, {}) is None
    assert cost_usd({"input_tokens": 0, "output_tokens": 0}, PRICES) == 0


def damage(path, kind):
    exchange = json.loads(path.read_text(encoding="utf-8"))
    if kind == "torn":
        path.write_text(path.read_text(encoding="utf-8")[:80], encoding="utf-8")
    elif kind == "not an object":
        path.write_text("[]", encoding="utf-8")
    elif kind == "edited":
        exchange["request"]["model"] = "other"
    elif kind == "other status":
        exchange["reply"]["status"] = "half"
    elif kind == "no text":
        exchange["reply"]["text"] = None
    if kind in ("edited", "other status", "no text"):
        path.write_text(json.dumps(exchange), encoding="utf-8")
    if kind == "renamed":
        path = path.rename(path.with_name("0" * 64 + ".json"))
    return path


@pytest.mark.parametrize("kind", ["torn", "not an object", "edited", "other status", "no text", "renamed"])
def test_damage_is_reported_with_the_file_name(tmp_path, kind):
    kept = exchange_store.record_answer(tmp_path, question(), answer(), PRICES)
    exchange_store.record_answer(tmp_path, question(draw=1), answer(), PRICES)
    path = damage(exchange_store.exchange_path(tmp_path, kept.digest), kind)
    [(found, problem)] = exchange_store.damaged_exchanges(tmp_path)
    assert found == path
    assert str(path) in problem
    with pytest.raises(ValueError, match=path.name):
        exchange_store.load_exchange(path)


def test_damaged_exchange_is_replaced_on_recording(tmp_path):
    kept = exchange_store.record_answer(tmp_path, question(), answer(), PRICES)
    damage(exchange_store.exchange_path(tmp_path, kept.digest), "torn")
    assert exchange_store.record_answer(tmp_path, question(), answer("<again>"), PRICES).text == "<again>"
    assert exchange_store.damaged_exchanges(tmp_path) == []


@pytest.mark.parametrize("change", ["missing", "other bytes"])
def test_image_of_an_exchange_is_checked(tmp_path, change):
    kept = exchange_store.record_answer(
        tmp_path, question(kind="image"), answer("", image=placeholder_png("x")), PRICES
    )
    assert kept.image.name == f"{kept.digest}.png"
    assert kept.image.read_bytes() == placeholder_png("x")
    kept.image.unlink() if change == "missing" else kept.image.write_bytes(placeholder_png("y"))
    assert len(exchange_store.damaged_exchanges(tmp_path)) == 1


def test_temporary_file_is_not_an_exchange(tmp_path):
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / ".abc.json.x1.json").write_text("{", encoding="utf-8")
    assert exchange_store.damaged_exchanges(tmp_path) == []


@pytest.mark.parametrize("part", ["text", "input_tokens", "served_model", "date", "cost_usd", "finish_reason", "check"])
def test_one_changed_character_of_the_answer_is_damage_and_exchanges_without_a_digest_stay_valid(tmp_path, part):
    kept = exchange_store.record_answer(tmp_path, question(), answer(), PRICES)
    path = exchange_store.exchange_path(tmp_path, kept.digest)
    exchange = json.loads(path.read_text(encoding="utf-8"))
    holder = next(each for each in (exchange["reply"], exchange["usage"], exchange) if part in each)
    holder[part] = holder[part] + 1 if isinstance(holder[part], int | float) else f"{holder[part]}."
    path.write_text(json.dumps(exchange), encoding="utf-8")
    with pytest.raises(ValueError, match="was edited: its answer does not match its digest"):
        exchange_store.load_exchange(path)
    del exchange["check"]
    path.write_text(json.dumps(exchange), encoding="utf-8")
    assert exchange_store.load_exchange(path) == exchange


@pytest.mark.parametrize("image", ["../../secret.png", "/etc/hostname", "other.png", ".png", "x\0"])
def test_an_exchange_that_names_another_file_as_its_image_is_damaged(tmp_path, image):
    kept = exchange_store.record_answer(tmp_path, question(kind="image"), answer("", image=placeholder_png("x")), {})
    path = exchange_store.exchange_path(tmp_path, kept.digest)
    exchange = json.loads(path.read_text(encoding="utf-8"))
    exchange["reply"]["image"] = image
    del exchange["check"]
    path.write_text(json.dumps(exchange), encoding="utf-8")
    with pytest.raises(ValueError, match="is not an image of this exchange"):
        exchange_store.load_exchange(path)


@pytest.mark.parametrize("digest", ["../../secret", "", "0" * 63, "0" * 64 + "\n", "A" * 64, None, ["0" * 64]])
def test_what_is_no_digest_names_no_file(tmp_path, digest):
    with pytest.raises(ValueError, match="is not the digest of an exchange"):
        exchange_store.exchange_path(tmp_path, digest)


NO_CALLS = [
    {"tries": [{"usage": None}]},
    {"tries": [{"usage": "abc", "cost_usd": None}]},
    {"tries": [{"usage": {"input_tokens": -1}, "cost_usd": None}]},
    *({"usage": {"input_tokens": count, "output_tokens": 1}} for count in (None, True, 1.5, "1", -1, 10**9, 10**399)),
    {"usage": "abc"},
    *({"batch": value} for value in ([1], 1, None)),
    *({"cost_usd": cost} for cost in (float("nan"), float("inf"), -1e9, -0.1, 1e9, 10**399, True, "1")),
]


@pytest.mark.parametrize("change", NO_CALLS, ids=lambda change: str(change)[:40])
def test_tokens_and_costs_that_no_call_has_are_damage_whatever_the_check_says(tmp_path, change):
    kept = exchange_store.record_answer(tmp_path, question(), answer(), PRICES)
    path = exchange_store.exchange_path(tmp_path, kept.digest)
    exchange = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(exchange_store.exchange_text(exchange | change), encoding="utf-8")
    with pytest.raises(ValueError, match="that no call has|holds no answer"):
        exchange_store.load_exchange(path)


def test_what_earlier_versions_recorded_is_read_and_their_failures_can_be_asked_for_again(tmp_path):
    failed = Answer("failed", "no text", usage={"input_tokens": 1, "output_tokens": 2}, served_model="m-1")
    kept = exchange_store.record_answer(tmp_path, question(), failed, PRICES)
    path = exchange_store.exchange_path(tmp_path, kept.digest)
    exchange = json.loads(path.read_text(encoding="utf-8"))
    del exchange["check"], exchange["batch"]
    exchange |= {"usage": {"input_tokens": -7, "output_tokens": None}, "cost_usd": -0.5}
    path.write_text(json.dumps(exchange), encoding="utf-8")
    assert exchange_store.load_exchange(path) == exchange
    assert exchange_store.record_answer(tmp_path, question(), answer(), PRICES).status == "ok"
    assert "tries" not in exchange_store.load_exchange(path)
