"""Judge of parts: one yes/no question per interaction and entity of the decomposition, and their means as scores.

Source: the questions, Cho et al. 2024, Davidsonian Scene Graph, arXiv 2310.18235; there another language model writes
them, here the decomposition has them. The probability of a yes: Lin et al. 2024, VQAScore, arXiv 2404.01291.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.methods.roles import image_problem, input_problem
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER
from detailscribe.scores.judges.asking import asking_parameters
from detailscribe.scores.judges.questions import (
    Answered,
    ask_questions,
    fingerprints_of_answers,
    question_requests,
    question_variables,
)
from detailscribe.study.judging.judges import PARTS
from detailscribe.study.study import Study

STAGE = "judge_parts"
ALGORITHM = 1
ROLE = "judge_part"  # of its requests
VARIABLES = question_variables("part", "kind")  # of the templates


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = [study.judging[name] for name in study.judges_asked(PARTS)]
    return {f"judge-{judge.name}": asking_parameters(study, judge, VARIABLES) for judge in judges}


def judge_parts(
    records: list[dict],
    image_sets: dict[str, dict[str, dict]],
    parts: dict[str, dict],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scenario: str = "",
    fingerprints: Path = FINGERPRINTS_FOLDER,
) -> list[dict]:
    """Ask whether each image shows each part of its prompt's decomposition.

    Args:
        records: Prompt records.
        image_sets: By image set, by id: `status`, `reason`, `path`, `sha256`.
        parts: Rows of `prompts.parts.list_parts` by id.
        judge: Parameters of the judge, with `endpoint`.
        chat: Client of its endpoint.
        on_done: Called once per question and draw; once for each that is not asked.
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        Rows `id, image_set, score, geometric, status, reason, parts, draws, exchange, fingerprint`. `parts` has `text`,
        `kind`, `value` in [0, 1] (share of the draws that say yes, or the mean P(yes)) and `status` of each; with a
        reading by probability also `entropy` and `outside`. `score` is the arithmetic mean of the values, `geometric`
        the geometric one, both in [0, 1]; `draws` the arithmetic mean of each draw, null where one of its answers is
        not readable. A part without any readable answer leaves the image without scores: the mean of the others would
        flatter it.

    Raises:
        SetupError: as `reading.ask_and_read`.
    """
    rows: list[dict] = []
    questions: list[list[Request]] = []
    asked_in: list[int] = []  # row of each question
    for image_set, images in image_sets.items():
        for record in records:
            id = record["id"]
            of_prompt = parts.get(id)
            problems = [image_problem(images.get(id))]
            if of_prompt is None or of_prompt["status"] != "ok":
                problems.append(input_problem("list of parts", of_prompt))
            elif not of_prompt["parts"]:
                problems.append("the decomposition names no part")
            problem = "; ".join(filter(None, problems))
            row = {"id": id, "image_set": image_set, "score": None, "geometric": None, "status": "skipped"}
            rows.append(row | {"reason": problem, "parts": [], "draws": [], "exchange": [], "fingerprint": None})
            for part in of_prompt["parts"] if of_prompt else []:
                if not problem:
                    values = {"part": part["text"], "kind": part["kind"]}
                    path = Path(images[id]["path"])
                    questions.append(question_requests(ROLE, judge, record, values, [path], scenario))
                    asked_in.append(len(rows) - 1)
                elif on_done:
                    for _ in range(judge["draws"]):
                        on_done()
    answers: dict[int, list[Answered]] = {}
    fingerprint = fingerprints_of_answers(judge, fingerprints, PARTS)
    for index, answered in zip(asked_in, ask_questions(questions, judge, chat, on_done), strict=True):
        answers.setdefault(index, []).append(answered)
    for index, of_image in answers.items():
        rows[index] |= _combine(parts[rows[index]["id"]]["parts"], of_image, judge)
        rows[index]["fingerprint"] = fingerprint(of_image)
    return rows


def geometric_mean(values: list[float]) -> float:
    """Geometric mean of values in [0, 1]; 0 if one of them is 0."""
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if all(values) else 0.0


def _combine(parts: list[dict], answers: list[Answered], judge: dict) -> dict:
    """The scores of an image from the answers about its parts."""
    values = [answer.value for answer in answers]
    row: dict = {"score": None, "geometric": None, "status": "ok", "reason": ""}
    missing = [(part, answer) for part, answer in zip(parts, answers, strict=True) if answer.value is None]
    if missing:
        part, first = missing[0]
        more = f"; {len(missing)} of {len(parts)} parts have no answer" if len(missing) > 1 else ""
        row |= {"status": first.status, "reason": f"{part['text']!r}: {first.reason}{more}"}
    else:
        known = [value for value in values if value is not None]
        row |= {"score": math.fsum(known) / len(known), "geometric": geometric_mean(known)}
    by_draw = zip(*(answer.draws for answer in answers), strict=True)
    row["parts"] = [
        {**part, "value": answer.value, "status": answer.status, **answer.spread(judge)}
        for part, answer in zip(parts, answers, strict=True)
    ]
    row["draws"] = [None if None in draw else math.fsum(draw) / len(draw) for draw in by_draw]
    row["exchange"] = [digest for answer in answers for digest in answer.exchange]
    return row
