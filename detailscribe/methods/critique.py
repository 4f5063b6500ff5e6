"""Critique of an image, and the refined prompt that it ends in."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import (
    image_problem,
    input_problem,
    prompt_in_reply,
    request_for,
    result_row,
    template_values,
)
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "critique"
ALGORITHM = 2


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
    """Request what is wrong with each image, and a refined prompt that fixes it.

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
        id = record["id"]
        values, decomposition = template_values(record), (decompositions or {}).get(id)
        problems = [image_problem(images.get(id))]
        if decompositions is not None and (decomposition is None or decomposition["status"] != "ok"):
            problems.append(input_problem("decomposition", decomposition))
        if reason := "; ".join(filter(None, problems)):
            rows[id] = result_row(record, "skipped", reason, critique=None, refined_prompt=None, exchange=None)
            if on_done:
                on_done()
            continue
        if decomposition:
            values |= {"concept": decomposition["concept"], "components": decomposition["components"]}
        requests[id] = request_for(name, role, record, values, [Path(images[id]["path"])])
    replies = dict(zip(requests, chat.ask(list(requests.values()), on_done), strict=True))
    for record in records:
        if reply := replies.get(record["id"]):
            status, reason, prompt = prompt_in_reply(reply, role, requests[record["id"]])
            values = {"critique": reply.text or None, "refined_prompt": prompt, "exchange": reply.digest}
            rows[record["id"]] = result_row(record, status, reason, **values)
    return [rows[record["id"]] for record in records]
