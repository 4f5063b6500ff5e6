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
