"""Critique of an image, and the refined prompt that it ends in."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply
from detailscribe.methods.reply_parsing import last_brackets, whole_text
from detailscribe.methods.roles import (
    image_problem,
    input_problem,
    prompt_in_reply,
    request_for,
    result_row,
    template_values,
)
from detailscribe.study.refinements import errors_at
from detailscribe.study.roles import BASE_VARIABLES, role_parameters
from detailscribe.study.stages import NOTHING_TO_CORRECT
from detailscribe.study.study import Study

STAGE = "critique"
STOP_REPLY = "nothing to correct"  # in brackets, from a critic that may stop
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    files = {}
    for name, entry in study.config["critics"].items():
        of = study.graph.source_of_critic(name)
        own = ("original_prompt",) if of != study.originals()[0] or entry.get("stop") else ()
        split = ("concept", "components") if entry["decomposition"] else ()
        with errors_at(f"critics: {name}"):
            variables = (*BASE_VARIABLES, *own, *split)
            values = role_parameters(study, entry["role"], entry["template"], entry["reply"], variables)
        values |= {"decomposition": entry["decomposition"], "seed": study.seeds[0]}
        values |= {"of": of} if of != study.originals()[0] else {}
        files[f"critique-{name}"] = values | ({"stop": True} if entry.get("stop") else {})
    return files


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
        images: By id: `status`, `reason`, `path` and `prompt`, the text that the image was drawn from.
        decompositions: Rows of `decompose` by id; None for a role that works without them (the ablation, GPT Refine).
        role: With `of`, an image set, the prompt in its template is the one that the image was drawn from, and
            `original_prompt` is p0. With `stop: true` the critic may find nothing to correct: it says so, or it
            repeats the image's prompt.

    Returns:
        Rows `id, status, reason, critique, refined_prompt, exchange`; `critique` is the whole reply. A critic that may
        stop has a row `nothing_to_correct` where it does, with the image's own prompt as the refined one.

    Source: DetailScribe, second step of the method; baselines GPT Refine and "abl".
    """
    name = "refine" if role["reply"] == "whole" else "critique"
    rows, requests = {}, {}
    for record in records:
        id = record["id"]
        values, decomposition = template_values(record), (decompositions or {}).get(id)
        if role.get("of") or role.get("stop"):
            values |= {"prompt": _prompt_of(record, images.get(id)), "original_prompt": record["prompt"]}
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
            request = requests[record["id"]]
            status, reason, prompt = prompt_in_reply(reply, role, request)
            if role.get("stop") and status in ("ok", "unparsed") and _stops(reply, prompt, request.fields["prompt"]):
                status, reason, prompt = NOTHING_TO_CORRECT, "", request.fields["prompt"]
            values = {"critique": reply.text or None, "refined_prompt": prompt, "exchange": reply.digest}
            rows[record["id"]] = result_row(record, status, reason, **values)
    return [rows[record["id"]] for record in records]


def _prompt_of(record: dict, image: dict | None) -> str:
    """The text that an image was drawn from; the prompt itself for an initial image, and where it is not known."""
    return (image or {}).get("prompt") or record["prompt"]


def _stops(reply: Reply, refined_prompt: str | None, prompt: str) -> bool:
    """Whether a critic finds nothing to correct: it says so in its last brackets, or it repeats the prompt."""
    said = last_brackets(reply.text) or whole_text(reply.text) or ""
    repeated = " ".join((refined_prompt or "").split()) == " ".join(prompt.split())
    return said.casefold().strip(" .!") == STOP_REPLY or repeated
