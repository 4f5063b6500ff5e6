"""Critique of an image, and the refined prompt in it."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import image_problem, input_problem, read_prompt, request_for, row, with_topic
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "critique"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {
        f"critique-{name}": {
            **role_parameters(study, entry["role"], entry["template"], entry["reply"]),
            "decomposition": entry["decomposition"],
            "seed": study.seeds[0],
        }
        for name, entry in study.config["critics"].items()
    }


def critique(
    records: list[dict],
    images: dict[str, dict],
    decompositions: dict[str, dict] | None,
    role: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
) -> list[dict]:
    """Ask what is wrong with each image, and for a prompt that mends it.

    Args:
        images: By id: `status`, `reason`, `path`.
        decompositions: Rows of `decompose` by id; None for a role that works without them (the ablation, GPT Refine).

    Returns:
        Rows `id, status, reason, critique, refined_prompt, exchange`; `critique` is the whole reply.

    Source: DetailScribe, second step of the method; baselines GPT Refine and "abl".
    """
    name = "refine" if role["reply"] == "whole" else "critique"
    rows, requests = {}, {}
    for record in records:
        values, parts = with_topic(record), (decompositions or {}).get(record["id"])
        problems = [image_problem(images.get(record["id"]))]
        if decompositions is not None and (parts is None or parts["status"] != "ok"):
            problems.append(input_problem("decomposition", parts))
        if reason := "; ".join(filter(None, problems)):
            rows[record["id"]] = row(record, "skipped", reason, critique=None, refined_prompt=None, exchange=None)
            if on_done:
                on_done()
            continue
        if parts:
            values |= {"concept": parts["concept"], "components": parts["components"]}
        path = Path(images[record["id"]]["path"])
        requests[record["id"]] = request_for(name, role, record, values, [path])
    answered = dict(zip(requests, chat.ask(list(requests.values()), on_done), strict=True))
    for record in records:
        if reply := answered.get(record["id"]):
            status, reason, prompt = read_prompt(reply, role)
            text = reply.text or None
            found = {"critique": text, "refined_prompt": prompt, "exchange": reply.digest}
            rows[record["id"]] = row(record, status, reason, **found)
    return [rows[record["id"]] for record in records]
