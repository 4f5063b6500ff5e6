"""Roles of language models: templates, and one row per record whatever the model replies."""

import pytest

from detailscribe.errors import InputError
from detailscribe.methods.roles import render_messages
from tests.chat_replies import ROLE_OF, template
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import RECORDS, ROW_KEYS, run_step


@pytest.mark.parametrize("step", ROW_KEYS)
def test_good_replies_become_rows_in_the_order_of_the_records(tmp_path, images, step):
    done = []
    with ChatServer() as server:
        rows = run_step(step, server, tmp_path, images, on_done=lambda: done.append(1))
        assert {call["role"] for call in server.calls} == {step}
        assert run_step(step, server, tmp_path, images, mode="replay") == rows
    assert [row["id"] for row in rows] == [record["id"] for record in RECORDS]
    assert all(list(row) == ROW_KEYS[step] for row in rows)
    assert all((row["status"], row["reason"]) == ("ok", "") for row in rows)
    assert all(len(row["exchange"]) == 64 for row in rows)
    assert len(done) == 2
    for row, record in zip(rows, RECORDS, strict=True):
        if step == "decompose":
            assert row["concept"] == record["topic"].replace("-", "_") + ", made from words alone"
            assert len(row["components"]) >= 2
        else:
            assert row["refined_prompt"].startswith(record["prompt"])


@pytest.mark.parametrize("step", ROW_KEYS)
def test_a_refusal_in_the_text_is_refused(tmp_path, images, step):
    with ChatServer(answer=lambda body: "I'm sorry, but I can't assist with that.") as server:
        rows = run_step(step, server, tmp_path, images)
    for row in rows:
        assert (row["status"], list(row)) == ("refused", ROW_KEYS[step])
        assert row["reason"] == "the model declined: I'm sorry, but I can't assist with that."
        assert row.get("refined_prompt") is None
        assert row.get("components") is None
        assert row["exchange"]


@pytest.mark.parametrize("step", ROW_KEYS)
def test_one_bad_prompt_does_not_stop_the_other(tmp_path, images, step):
    for mishap in (
        {"refuse": lambda role, prompt: "lynx" in prompt},
        {"fault": lambda role, prompt: "lynx" in prompt and 422},
    ):
        with ChatServer(**mishap) as server:
            bad, good = run_step(step, server, tmp_path, images)
        assert good["status"] == "ok"
        assert bad["status"] == ("refused" if "refuse" in mishap else "failed")
        assert bad["reason"]
        (tmp_path / "exchanges").rename(tmp_path / "first") if "refuse" in mishap else None


@pytest.mark.parametrize("step", ["decompose", "critique", "rewrite"])
def test_a_reply_without_brackets_is_unparsed(tmp_path, images, step):
    with ChatServer(answer=lambda body: "A fine picture, nothing to correct.") as server:
        rows = run_step(step, server, tmp_path, images)
    assert {row["status"] for row in rows} == {"unparsed"}
    assert all(row["reason"].startswith("no <") for row in rows)
    if step == "critique":
        assert rows[0]["critique"] == "A fine picture, nothing to correct."


def test_an_unknown_variable_of_a_template_is_named():
    with pytest.raises(InputError, match=r"template, user: 'topc' is undefined; its variables are prompt, topic"):
        render_messages({"system": "", "user": "{{ topc }}"}, prompt="p", topic="t")
    with pytest.raises(InputError, match="template, system, line 2"):
        render_messages({"system": "a\n{% for", "user": "b"}, prompt="p")


@pytest.mark.parametrize("code", ["''.__class__.__mro__", "prompt.format.__globals__", "cycler.__init__.__globals__"])
def test_a_template_runs_no_code(code):
    with pytest.raises(InputError, match="template, user: .* runs no code"):
        render_messages({"system": "", "user": f"{{{{ {code}.x }}}}"}, prompt="p")


def test_values_are_inserted_into_a_template_verbatim():
    messages = render_messages({"system": None, "user": "Say {{ prompt }}\n"}, prompt="{{ topic }} <b> & 'x'")
    assert messages == [{"role": "user", "content": "Say {{ topic }} <b> & 'x'"}]


@pytest.mark.parametrize("name", ROLE_OF)
def test_each_template_renders_and_shows_its_prompt(name):
    values = {"topic": "tie-knot"} if name.startswith("write_") else {"prompt": "A lynx.", "topic": "tie-knot"}
    if name.startswith("judge_"):
        values |= {"scale": "grade", "structured": False, "part": "a paw", "kind": "entity", "remark": "no paw"}
    if name == "critique_detailscribe":
        values |= {"concept": "tie_knot", "components": ["a", "b"]}
    system, user = render_messages(template(name), **values)
    assert (system["role"], user["role"]) == ("system", "user")
    shown = "Thing: a paw" if name == "judge_part" else values.get("prompt", "tie-knot")
    assert shown in user["content"] and (name != "judge_remark" or "no paw" in user["content"])


def test_each_template_has_its_own_system_message():
    assert len({template(name)["system"] for name in ROLE_OF}) == len(ROLE_OF)
