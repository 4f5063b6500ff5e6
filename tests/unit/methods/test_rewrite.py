"""Rewriting: the form of the reply, and the prompt that is rewritten."""

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.client import Chat
from detailscribe.methods.rewrite import rewrite
from tests.chat_replies import role, template
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import RECORDS, ROW_KEYS, run_step


def test_an_unknown_reply_form_is_named(tmp_path, images):
    with ChatServer() as server, pytest.raises(InputError, match="brackets or whole, got 'json'"):
        run_step("rewrite", server, tmp_path, images, reply="json")


def test_a_rewriter_of_images_rewrites_the_prompt_that_each_was_drawn_from(tmp_path, images):
    images["tie-knot-1"]["prompt"] = "A lynx and a rope."
    user = "Image: {{ prompt }} Benchmark: {{ original_prompt }}"
    changed = role("rewrite_prompt", template=template("rewrite_prompt") | {"user": user})
    with ChatServer(answer=lambda body: "<Longer.>") as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        rows = rewrite(RECORDS, changed, chat, images=images)
        asked = {call["prompt"] for call in server.calls}
    first, second = (record["prompt"] for record in RECORDS)
    texts = {f"Image: A lynx and a rope. Benchmark: {first}", f"Image: {second} Benchmark: {second}"}
    assert all(any(text in prompt for prompt in asked) for text in texts), asked
    assert [row["refined_prompt"] for row in rows] == ["Longer.", "Longer."]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (None, "there is no image"),
        ({"status": "refused", "reason": "no"}, "the image is refused: no"),
        ({"status": "skipped", "reason": "no clip_score of o1"}, "the image is skipped: no clip_score of o1"),
    ],
)
def test_a_rewriter_skips_an_image_that_is_not_there(tmp_path, images, image, reason):
    images = {id: row for id, row in images.items() if id != "tie-knot-1"} | ({"tie-knot-1": image} if image else {})
    done = []
    with ChatServer(answer=lambda body: "<Longer.>") as server:
        chat = Chat({"server": server.endpoint()}, tmp_path / "exchanges", "live")
        rows = rewrite(RECORDS, role("rewrite_prompt"), chat, lambda: done.append(1), images)
        assert len(server.calls) == 1
    assert rows[0] == dict.fromkeys(ROW_KEYS["rewrite"]) | {"id": "tie-knot-1", "status": "skipped", "reason": reason}
    assert rows[1]["status"] == "ok" and len(done) == 2
