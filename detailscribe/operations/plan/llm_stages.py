"""LLM stages of a plan: requests that a run would send, found by running the stages with a dry-run client."""

from collections.abc import Callable

from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods.external import hosted_requests
from detailscribe.operations.costs import exchanges_of
from detailscribe.operations.plan.estimate import Estimate, Line
from detailscribe.operations.plan.shard import PENDING, Shard


class DryRunChat(Chat):
    """A client that replies from the store and collects the requests that it would send."""

    def __init__(self, estimate: Estimate):
        super().__init__(estimate.study.config["endpoints"], estimate.store, "live")
        self.unanswered: dict[str, Request] = {}  # by digest

    def ask(
        self,
        requests: list[Request],
        on_done: Callable[[], None] | None = None,
        check: Callable[[Request, Reply], str] | None = None,
    ) -> list[Reply]:
        """Recorded replies, and replies of status PENDING to the other requests."""
        replies = []
        for request in requests:
            try:
                reply = exchange_store.recorded_reply(self.store, request.digest)
            except ValueError:
                reply = None
            if reply is None or reply.status not in exchange_store.ANSWERED:
                self.unanswered.setdefault(request.digest, request)
                reply = Reply(request.digest, PENDING, "", "", None, "", "", None)
            replies.append(reply)
        return replies


def add_llm_stage(
    shard: Shard, stage: str, name: str, folder: str, run: Callable[[dict, Chat], list[dict]], asks: str = ""
) -> list[dict]:
    """Add the requests of a stage: those that it would send, and those whose inputs do not exist yet.

    Args:
        stage: decompose, rewrite, critique or judge.
        name: Of the critic, rewriter or judge; empty for none.
        folder: Of the stage's output in the scenario.
        run: The stage's function of role and client.
        asks: Role of its requests, where it is not the stage's.

    Returns:
        Rows of the stage, as far as they are recorded.
    """
    estimate, line = shard.estimate, shard.line(stage, name)
    target = estimate.study.endpoint_and_model(stage, name)
    assert target is not None
    role = estimate.parameters["-".join(filter(None, (stage, name)))] | {"endpoint": target[0]}
    chat = DryRunChat(estimate)
    rows = run(role, chat)
    _add_requests(shard, line, folder, chat)
    waiting = [row for row in rows if row["status"] == "skipped" and PENDING in row["reason"]]
    kind = asks or ("refine" if role.get("reply") == "whole" else stage)
    unknown = len(waiting) * role.get("draws", 1)
    for _ in range(unknown):
        estimate.add_unknown_call(line, kind, *target, role["options"])
    estimate.add_server_start(shard.scenario, stage, name, target[0], len(chat.unanswered) + unknown)
    return rows


def add_external_stage(shard: Shard, name: str) -> dict[str, dict]:
    """Add the images that a run would request from an image model.

    Returns:
        Rows by id, with the `path` of each image that exists.
    """
    estimate = shard.estimate
    rows = {row["id"]: row for row in shard.rows(f"images/{name}")}
    target = estimate.study.endpoint_and_model("external", name)
    if target:
        line, chat = shard.line("external", name), DryRunChat(estimate)
        role = estimate.parameters[f"external-{name}"] | {"endpoint": target[0]}
        requests, _ = hosted_requests(shard.records, role, name, chat, None)
        _add_requests(shard, line, f"images/{name}", chat)
        for request in requests:
            if request.status == PENDING:
                rows.pop(request.id, None)
    missing = {"status": "skipped", "reason": PENDING, "file": None, "sha256": None}
    images = {}
    for record in shard.records:
        row = rows.get(record["id"]) or {"id": record["id"], **missing}
        images[record["id"]] = {**row, "path": estimate.results / row["file"] if row["file"] else None}
    return images


def _add_requests(shard: Shard, line: Line, folder: str, chat: DryRunChat) -> None:
    earlier: dict[str, set[str]] = {}  # digests of the exchanges in the present output, by id
    for row in shard.rows(folder):
        if exchanges := exchanges_of([row]):
            earlier.setdefault(row["id"], set()).update(exchanges)
    for request in chat.unanswered.values():
        shard.estimate.add_call(line, request, _reason(shard, request, earlier))


def _reason(shard: Shard, request: Request, earlier: dict[str, set[str]]) -> str:
    id = request.fields["id"]
    if id in shard.added:
        return shard.added[id]
    if id not in earlier:
        return "new"
    return "missing file" if request.digest in earlier[id] else "changed parameter"
