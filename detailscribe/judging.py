"""A vision-language model as judge: a grade from 1 to 5 for each image, by rubric."""

from collections.abc import Callable
from pathlib import Path

from detailscribe import replies
from detailscribe.chat import Chat
from detailscribe.language import image_problem, read_reply, request_for

WANTED = "score from 1 to 5 in <...>"


def judge(
    records: list[dict],
    image_sets: dict[str, dict[str, dict]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
) -> list[dict]:
    """Grade the images of some image sets; the same image and prompt in two sets is asked about once.

    Args:
        image_sets: By image set, by id: `status`, `reason`, `path`, `sha256`.
        judge: A role (`language.py`) with `draws` (answers per image), `missing_score` (null, or the score of an image
            whose replies hold none) and `topic_cut` (show the topic only up to its first `_`).
        on_done: Called once a draw, or once for an image that cannot be shown.

    Returns:
        Rows `id, image_set, score, status, reason, draws, exchange`: the score is the mean of the draws that gave
        one, in [1, 5]; `draws` has null for one that did not.

    Source: DetailScribe, MLLM judge. Differs: an unreadable reply gives no score; the released code's 2 needs
    `missing_score: 2`, its cut topic `topic_cut: true`.
    """
    rows, requests = [], []
    for image_set, images in image_sets.items():
        for record in records:
            problem = image_problem(images.get(record["id"]))
            row = {"id": record["id"], "image_set": image_set, "score": None, "status": "skipped", "reason": problem}
            rows.append(row | {"draws": [], "exchange": []})
            if not problem:
                topic = record["topic"].split("_")[0] if judge["topic_cut"] else record["topic"]
                values, path = {"prompt": record["prompt"], "topic": topic}, Path(images[record["id"]]["path"])
                for draw in range(judge["draws"]):
                    requests.append((rows[-1], request_for("judge", judge, record, values, [path], draw)))
            elif on_done:
                on_done()
    answers: dict[int, list] = {}
    for (row, _), reply in zip(requests, chat.ask([request for _, request in requests], on_done), strict=True):
        answers.setdefault(id(row), []).append((read_reply(reply, replies.judge_score, WANTED), reply.digest))
    for row in rows:
        if id(row) in answers:
            row |= graded(answers[id(row)], judge["missing_score"])
    return rows


def graded(answers: list[tuple], missing_score: float | None) -> dict:
    """Score, status, reason, draws and exchanges of one image from what its draws gave."""
    scores = [score for (_, _, score), _ in answers]
    found = {"draws": scores, "exchange": [exchange for _, exchange in answers]}
    given = [score for score in scores if score is not None]
    if given:
        return {"score": sum(given) / len(given), "status": "ok", "reason": "", **found}
    status, reason = answers[0][0][:2]
    if missing_score is not None and status != "failed":
        reason = f"{reason}; counted as {missing_score:g} (`missing_score`)"
        return {"score": float(missing_score), "status": "ok", "reason": reason, **found}
    return {"score": None, "status": status, "reason": reason, **found}
