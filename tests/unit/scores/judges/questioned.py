"""A chat that answers yes/no questions about images by a function, and what tests of judges of questions share."""

from pathlib import Path

import yaml

from detailscribe.llm.request import Reply, Request
from detailscribe.miniature.stand_in_content import placeholder_png
from tests.paths import REPOSITORY

RECORDS = [
    {"id": "dough-1", "topic": "rolling_dough", "prompt": "A beaver rolls dough."},
    {"id": "saw-2", "topic": "saw", "prompt": "Two beavers saw a log."},
]
REFUSED = "I'm sorry, but I can't help with that."


class AnsweringChat:
    """Answers requests by `answer(request)`, a text or None for a failed call; remembers what was asked."""

    def __init__(self, answer, store: Path = Path("none")):
        self.answer, self.store, self.asked = answer, store, []

    def ask(self, requests: list[Request], on_done=None, check=None) -> list[Reply]:
        """Replies in the order of the requests."""
        self.asked += requests
        replies = []
        for request in requests:
            text = self.answer(request)
            status, reason = ("ok", "") if text is not None else ("failed", "no answer")
            replies.append(Reply(request.digest, status, reason, text or "", None, "served-1", "", None))
            if on_done:
                on_done()
        return replies


def image(folder: Path, name: str, status: str = "ok") -> dict:
    """A manifest row with an image file of its own."""
    path = folder / f"{name}.png"
    path.write_bytes(placeholder_png(name))
    return {"status": status, "reason": "" if status == "ok" else "blocked", "path": path, "sha256": name}


def judge(template: str, **changes) -> dict:
    """Parameters of a judge of questions."""
    text = yaml.safe_load((REPOSITORY / f"config/templates/{template}.yaml").read_text(encoding="utf-8"))
    values = {"endpoint": "server", "model": "m", "template": {key: text[key] for key in ("system", "user")}}
    values |= {"scenario_templates": {}, "options": {}, "scale": "yes_no", "structured": False, "draws": 1}
    return values | {"topic_cut": False} | changes
