"""Decomposition, critique, refinement and rewriting: one row a prompt, whatever the model says."""

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.llm.client import Chat
from detailscribe.methods.critique import critique
from detailscribe.methods.decompose import decompose
from detailscribe.methods.rewrite import rewrite
from detailscribe.methods.roles import render
from detailscribe.miniature import stand_in
from tests.chat_server import ROLE_OF, ChatServer, role, template

RECORDS = [
    {"id": "tie-knot-1", "topic": "tie-knot", "prompt": "An anime of a lynx tying a knot in a red rope."},
    {"id": "roll-2", "topic": "roll_dough", "prompt": "A beaver rolls dough with a pin. It smiles."},
]
PARTS = {
    "tie-knot-1": {"id": "tie-knot-1", "status": "ok", "reason": "", "concept": "tie_knot", "components": ["a", "b"]},
    "roll-2": {"id": "roll-2", "status": "ok", "reason": "", "concept": "roll", "components": ["paw on pin"]},
}
KEYS = {
    "decompose": ["id", "status", "reason", "concept", "components", "exchange"],
    "critique": ["id", "status", "reason", "critique", "refined_prompt", "exchange"],
    "refine": ["id", "status", "reason", "critique", "refined_prompt", "exchange"],
    "rewrite": ["id", "status", "reason", "refined_prompt", "exchange"],
}


@pytest.fixture
def images(tmp_path):
    found = {}
    for record in RECORDS:
        path = tmp_path / f"{record['id']}.png"
        path.write_bytes(stand_in.picture(record["prompt"]))
        found[record["id"]] = {"status": "ok", "reason": "", "path": path}
    return found


def run(stage, server, store, images, mode="live", decompositions=PARTS, on_done=None, **changes):
    chat = Chat({"server": server.endpoint()}, store / "exchanges", mode)
    if stage == "decompose":
        return decompose(RECORDS, role("decompose", **changes), chat, on_done)
    if stage == "rewrite":
        return rewrite(RECORDS, role("rewrite_prompt", **changes), chat, on_done)
    if stage == "refine":
        return critique(RECORDS, images, None, role("refine_prompt", "whole", **changes), chat, on_done)
    return critique(RECORDS, images, decompositions, role("critique_detailscribe", **changes), chat, on_done)


@pytest.mark.parametrize("stage", KEYS)
def test_good_replies_become_rows_in_order(tmp_path, images, stage):
    done = []
    with ChatServer() as server:
        rows = run(stage, server, tmp_path, images, on_done=lambda: done.append(1))
        assert {call["role"] for call in server.calls} == {stage}
        assert run(stage, server, tmp_path, images, mode="replay") == rows
    assert [row["id"] for row in rows] == [record["id"] for record in RECORDS]
    assert all(list(row) == KEYS[stage] for row in rows)
    assert all((row["status"], row["reason"]) == ("ok", "") for row in rows)
    assert all(len(row["exchange"]) == 64 for row in rows)
    assert len(done) == 2
    for row, record in zip(rows, RECORDS, strict=True):
        if stage == "decompose":
            assert row["concept"] == record["topic"].replace("-", "_")
            assert len(row["components"]) >= 2
        else:
            assert row["refined_prompt"].startswith(record["prompt"])


@pytest.mark.parametrize("stage", KEYS)
def test_refusal_in_words_is_refused(tmp_path, images, stage):
    with ChatServer(answer=lambda body: "I'm sorry, but I can't assist with that.") as server:
        rows = run(stage, server, tmp_path, images)
    for row in rows:
        assert (row["status"], list(row)) == ("refused", KEYS[stage])
        assert row["reason"] == "the model declined: I'm sorry, but I can't assist with that."
        assert row.get("refined_prompt") is None
        assert row.get("components") is None
        assert row["exchange"]


@pytest.mark.parametrize("stage", KEYS)
def test_one_bad_prompt_does_not_stop_the_other(tmp_path, images, stage):
    for mishap in (
        {"refuse": lambda role, prompt: "lynx" in prompt},
        {"fault": lambda role, prompt: "lynx" in prompt and 422},
    ):
        with ChatServer(**mishap) as server:
            bad, good = run(stage, server, tmp_path, images)
        assert good["status"] == "ok"
        assert bad["status"] == ("refused" if "refuse" in mishap else "failed")
        assert bad["reason"]
        (tmp_path / "exchanges").rename(tmp_path / "first") if "refuse" in mishap else None


@pytest.mark.parametrize("stage", ["decompose", "critique", "rewrite"])
def test_reply_without_brackets_is_unparsed(tmp_path, images, stage):
    with ChatServer(answer=lambda body: "A fine picture, nothing to correct.") as server:
        rows = run(stage, server, tmp_path, images)
    assert {row["status"] for row in rows} == {"unparsed"}
    assert all(row["reason"].startswith("no <") for row in rows)
    if stage == "critique":
        assert rows[0]["critique"] == "A fine picture, nothing to correct."


def test_brackets_without_a_decomposition_are_unparsed(tmp_path, images):
    with ChatServer(answer=lambda body: "<a lynx ties a knot>") as server:
        rows = run("decompose", server, tmp_path, images)
    assert {(row["status"], row["components"]) for row in rows} == {("unparsed", None)}


def test_whole_reply_is_the_prompt(tmp_path, images):
    with ChatServer(answer=lambda body: " A lynx <close up>.\n") as server:
        rows = run("refine", server, tmp_path, images)
        assert rows[0]["refined_prompt"] == "A lynx <close up>."
        [image] = [part for part in server.calls[0]["body"]["messages"][-1]["content"] if part["type"] == "image_url"]
        assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_critic_sees_the_components(tmp_path, images):
    with ChatServer() as server:
        run("critique", server, tmp_path, images)
        text = next(call for call in server.calls if "lynx" in call["prompt"])["body"]["messages"][-1]["content"][0][
            "text"
        ]
    assert "Concept: tie_knot" in text
    assert "\n- a\n- b\n" in text


def test_ablation_sees_no_components(tmp_path, images):
    with ChatServer() as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        rows = critique(RECORDS, images, None, role("critique_ablation"), chat)
        texts = [call["body"]["messages"][-1]["content"][0]["text"] for call in server.calls]
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert not any("tie_knot" in text or "roll_dough" in text for text in texts)


@pytest.mark.parametrize(
    ("image", "parts", "reason"),
    [
        ({"status": "refused", "reason": "no"}, None, "the image is refused: no"),
        (None, None, "there is no image"),
        ({"status": "ok", "reason": "", "path": "gone.png"}, None, "the image file is missing (gone.png)"),
        ("ok", {"status": "unparsed", "reason": "no <...>"}, "the decomposition is unparsed: no <...>"),
        ("ok", "none", "there is no decomposition"),
        (None, "none", "there is no image; there is no decomposition"),
    ],
)
def test_critique_is_skipped_where_an_input_is_not_ok(tmp_path, images, image, parts, reason):
    images = {key: value for key, value in images.items() if key == "roll-2" or image == "ok"}
    images |= {"tie-knot-1": image} if isinstance(image, dict) else {}
    decompositions = PARTS | ({"tie-knot-1": parts} if isinstance(parts, dict) else {})
    if parts == "none":
        decompositions = {"roll-2": PARTS["roll-2"]}
    done = []
    with ChatServer() as server:
        rows = run("critique", server, tmp_path, images, decompositions=decompositions, on_done=lambda: done.append(1))
        assert len(server.calls) == 1
    assert rows[0] == dict.fromkeys(KEYS["critique"]) | {"id": "tie-knot-1", "status": "skipped", "reason": reason}
    assert rows[1]["status"] == "ok"
    assert len(done) == 2


def test_cut_reply_says_so(tmp_path, images):
    body = {"choices": [{"message": {"content": "<(concept: x) = (a"}, "finish_reason": "length"}]}
    with ChatServer(fault=lambda *_: body) as server:
        rows = run("decompose", server, tmp_path, images)
    assert rows[0]["reason"] == "no <(concept: x) = (a) + (b)> in the reply, which was cut at its token limit"


def test_replay_without_the_exchange_names_the_prompt(tmp_path, images):
    with ChatServer() as server, pytest.raises(SetupError, match=r"\(decompose tie-knot-1\)"):
        run("decompose", server, tmp_path, images, mode="replay")


def test_unknown_variable_of_a_template_is_named():
    with pytest.raises(InputError, match=r"template, user: 'topc' is undefined; its variables are prompt, topic"):
        render({"system": "", "user": "{{ topc }}"}, prompt="p", topic="t")
    with pytest.raises(InputError, match="template, system, line 2"):
        render({"system": "a\n{% for", "user": "b"}, prompt="p")


def test_template_takes_values_as_they_are():
    messages = render({"system": None, "user": "Say {{ prompt }}\n"}, prompt="{{ topic }} <b> & 'x'")
    assert messages == [{"role": "user", "content": "Say {{ topic }} <b> & 'x'"}]


def test_unknown_reply_form_is_named(tmp_path, images):
    with ChatServer() as server, pytest.raises(InputError, match="brackets or whole, got 'json'"):
        run("rewrite", server, tmp_path, images, reply="json")


@pytest.mark.parametrize("name", ROLE_OF)
def test_each_template_renders_and_shows_its_prompt(name):
    values = {"topic": "tie-knot"} if name.startswith("write_") else {"prompt": "A lynx.", "topic": "tie-knot"}
    if name.startswith("judge_"):
        values |= {"scale": "grade", "structured": False}
    if name == "critique_detailscribe":
        values |= {"concept": "tie_knot", "components": ["a", "b"]}
    system, user = render(template(name), **values)
    assert (system["role"], user["role"]) == ("system", "user")
    assert values.get("prompt", "tie-knot") in user["content"]


def test_templates_are_told_apart_by_their_system_message():
    assert len({template(name)["system"] for name in ROLE_OF}) == len(ROLE_OF)
