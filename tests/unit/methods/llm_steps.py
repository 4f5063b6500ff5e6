"""Records and rows of the LLM steps, and a step at a test server: shared by the tests of `detailscribe.methods`."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.methods.critique import critique
from detailscribe.methods.decompose import decompose
from detailscribe.methods.rewrite import rewrite
from tests.chat_replies import role
from tests.chat_server import ChatServer

RECORDS = [
    {"id": "tie-knot-1", "topic": "tie-knot", "prompt": "An anime of a lynx tying a knot in a red rope."},
    {"id": "roll-2", "topic": "roll_dough", "prompt": "A beaver rolls dough with a pin. It smiles."},
]
DECOMPOSITIONS = {
    "tie-knot-1": {"id": "tie-knot-1", "status": "ok", "reason": "", "concept": "tie_knot", "components": ["a", "b"]},
    "roll-2": {"id": "roll-2", "status": "ok", "reason": "", "concept": "roll", "components": ["paw on pin"]},
}
ROW_KEYS = {
    "decompose": ["id", "status", "reason", "concept", "components", "exchange"],
    "critique": ["id", "status", "reason", "critique", "refined_prompt", "exchange"],
    "refine": ["id", "status", "reason", "critique", "refined_prompt", "exchange"],
    "rewrite": ["id", "status", "reason", "refined_prompt", "exchange"],
}


def run_step(
    step: str,
    server: ChatServer,
    store: Path,
    images: dict[str, dict],
    mode: str = "live",
    decompositions: dict[str, dict] = DECOMPOSITIONS,
    on_done: Callable[[], None] | None = None,
    **changes,
) -> list[dict]:
    """Rows of a step for RECORDS; `changes` are made to its role."""
    chat = Chat({"server": server.endpoint()}, store / "exchanges", mode)
    if step == "decompose":
        return decompose(RECORDS, role("decompose", **changes), chat, on_done)
    if step == "rewrite":
        return rewrite(RECORDS, role("rewrite_prompt", **changes), chat, on_done)
    if step == "refine":
        return critique(RECORDS, images, None, role("refine_prompt", "whole", **changes), chat, on_done)
    return critique(RECORDS, images, decompositions, role("critique_detailscribe", **changes), chat, on_done)
