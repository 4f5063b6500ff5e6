"""Critique: what the critic is shown, and rows that are skipped because of their inputs."""

import pytest

from detailscribe.llm.client import Chat
from detailscribe.methods.critique import critique
from tests.chat_replies import role
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import DECOMPOSITIONS, RECORDS, ROW_KEYS, run_step


def test_a_whole_reply_is_the_refined_prompt(tmp_path, images):
    with ChatServer(answer=lambda body: " A lynx <close up>.\n") as server:
        rows = run_step("refine", server, tmp_path, images)
        assert rows[0]["refined_prompt"] == "A lynx <close up>."
        [image] = [part for part in server.calls[0]["body"]["messages"][-1]["content"] if part["type"] == "image_url"]
        assert image["image_url"]["url"].startswith("data:image/png;base64,")


def test_the_critic_is_shown_the_components(tmp_path, images):
    with ChatServer() as server:
        run_step("critique", server, tmp_path, images)
        text = next(call for call in server.calls if "lynx" in call["prompt"])["body"]["messages"][-1]["content"][0][
            "text"
        ]
    assert "Concept: tie_knot" in text
    assert "\n- a\n- b\n" in text


def test_the_ablation_is_shown_no_components(tmp_path, images):
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
    decompositions = DECOMPOSITIONS | ({"tie-knot-1": parts} if isinstance(parts, dict) else {})
    if parts == "none":
        decompositions = {"roll-2": DECOMPOSITIONS["roll-2"]}
    done = []
    with ChatServer() as server:
        rows = run_step(
            "critique", server, tmp_path, images, decompositions=decompositions, on_done=lambda: done.append(1)
        )
        assert len(server.calls) == 1
    assert rows[0] == dict.fromkeys(ROW_KEYS["critique"]) | {"id": "tie-knot-1", "status": "skipped", "reason": reason}
    assert rows[1]["status"] == "ok"
    assert len(done) == 2


def round_role(**changes) -> dict:
    """A critic of a later round: it sees an image of another set."""
    return role("critique_round", of="round_1-k1", **changes)


def asked(server: ChatServer, word: str = "lynx") -> str:
    """Text of the request about the prompt with a word."""
    call = next(call for call in server.calls if word in call["body"]["messages"][-1]["content"][0]["text"])
    return call["body"]["messages"][-1]["content"][0]["text"]


BASE = "An anime of a lynx tying a knot. Both ends of the rope are in its paws."


@pytest.fixture
def drawn(images) -> dict[str, dict]:
    """The images of a round before: the first was drawn from a refined prompt, the second names none."""
    images["tie-knot-1"]["prompt"] = BASE
    images["roll-2"]["prompt"] = None
    return images


def test_a_critic_of_a_later_round_is_shown_the_prompt_of_the_image_and_the_original_one(tmp_path, drawn):
    with ChatServer(answer=lambda body: "<A lynx, better.>") as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        rows = critique(RECORDS, drawn, DECOMPOSITIONS, round_role(), chat)
        first, second = asked(server, "lynx"), asked(server, "beaver")
    assert f"What was asked for: {RECORDS[0]['prompt']}" in first and BASE in first
    assert second.count(RECORDS[1]["prompt"]) == 2, "an image without a prompt of its own was drawn from p0"
    assert [row["status"] for row in rows] == ["ok", "ok"]


STOPS = {  # reply: whether the critic finds nothing to correct
    "All parts are there. <nothing to correct>": True,
    "<Nothing to correct.>": True,
    "1. The rope <red> is fine.\n<NOTHING TO CORRECT!>": True,
    f"As it was: <{BASE}>": True,
    f"<{BASE.replace(' ', chr(10), 1)}  >": True,
    "<think>Should I say <nothing to correct>?</think>The knot is open. <A lynx with a closed knot.>": False,
    "<nothing to correct> would be wrong. <A lynx with a closed knot.>": False,
    "<nothing is held: a lynx without a rope>": False,
    "There is nothing to correct.": None,
    "": None,
}


@pytest.mark.parametrize(("reply", "stops"), STOPS.items())
def test_a_critic_that_may_stop_says_so_or_repeats_the_prompt(tmp_path, drawn, reply, stops):
    with ChatServer(answer=lambda body: reply) as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        row = critique(RECORDS[:1], drawn, DECOMPOSITIONS, round_role(stop=True), chat)[0]
        may_not_stop = critique(RECORDS[:1], drawn, DECOMPOSITIONS, round_role(), chat)[0]
    assert may_not_stop["status"] != "nothing_to_correct" and list(row) == list(may_not_stop) == ROW_KEYS["critique"]
    if stops:
        assert (row["status"], row["reason"], row["refined_prompt"]) == ("nothing_to_correct", "", BASE)
        assert row["critique"] == reply and row["exchange"]
    elif stops is False:
        assert row["status"] == "ok" and row["refined_prompt"] not in (None, BASE)
    else:
        assert row["status"] in ("unparsed", "failed") and row["refined_prompt"] is None


def test_without_leave_to_stop_its_words_are_no_prompt(tmp_path, drawn):
    with ChatServer(answer=lambda body: "<nothing to correct>") as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        row = critique(RECORDS[:1], drawn, DECOMPOSITIONS, round_role(), chat)[0]
    assert (row["status"], row["refined_prompt"]) == ("unparsed", None)


def test_a_refusal_is_no_stop(tmp_path, drawn):
    with ChatServer(answer=lambda body: "I'm sorry, but I can't help with that.") as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        row = critique(RECORDS[:1], drawn, DECOMPOSITIONS, round_role(stop=True), chat)[0]
    assert (row["status"], row["refined_prompt"]) == ("refused", None)


def test_a_whole_reply_may_stop_too(tmp_path, images):
    with ChatServer(answer=lambda body: "Nothing to correct.") as server:
        row = run_step("refine", server, tmp_path, images, stop=True)[0]
    assert (row["status"], row["refined_prompt"]) == ("nothing_to_correct", RECORDS[0]["prompt"])
