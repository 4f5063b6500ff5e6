"""Audit of critiques: each remark becomes a question about the image before, and about every image made with it.

"Is this fault there?" of the image that the critic looked at says whether the critic is right; of the refined images,
whether the fault was fixed, is still there, or came with the refinement. With `control`, the images of other seeds are
asked about, too: how often a fault is gone in an image that was drawn without knowing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.methods.roles import image_problem, input_problem
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER
from detailscribe.scores.judges.asking import asking_parameters
from detailscribe.scores.judges.questions import (
    ask_questions,
    fingerprints_of_answers,
    question_requests,
    question_variables,
)
from detailscribe.scores.judges.remarks import remarks_of
from detailscribe.study.judging.audited import audited_images
from detailscribe.study.judging.judges import REMARKS
from detailscribe.study.stages import NOTHING_TO_CORRECT, USABLE
from detailscribe.study.study import Study

STAGE = "audit_critiques"
ALGORITHM = 1
ROLE = "judge_remark"  # of its requests
VARIABLES = question_variables("remark")  # of the templates
BEFORE, AFTER, CONTROL = "before", "after", "control"  # what an image is to a critique
WITHOUT_REMARKS = "the critique names no fault by number"


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    files = {}
    for name in study.judges_asked(REMARKS):
        audited = [
            {"critic": critic, **images._asdict(), "after": list(map(list, images.after.items()))}
            for critic, images in audited_images(study, name).items()
        ]
        files[f"judge-{name}"] = asking_parameters(study, study.judging[name], VARIABLES) | {"audited": audited}
    return files


def audit_critiques(
    records: list[dict],
    critiques: dict[str, dict[str, dict]],
    images: dict[str, dict[str, dict]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scenario: str = "",
    fingerprints: Path = FINGERPRINTS_FOLDER,
) -> list[dict]:
    """Ask about each remark of each critique whether the fault is in the image before, and in those after.

    Args:
        records: Prompt records.
        critiques: Rows of `critique` by critic, by id.
        images: By image set or selection, by id: `status`, `reason`, `path`, `sha256`.
        judge: Parameters of the judge, with `endpoint`; `audited`, for each `critic` the image set `before`, those
            `after`, each with its k, and those of `control`.
        chat: Client of its endpoint.
        on_done: Called once per question and draw (`count_questions`).
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        Rows `id, critic, image_set, when, k, number, remark, value, status, reason, draws, exchange, fingerprint` of
        every remark and image. `when` is before, after or control; `number` counts the remarks of a critique from 1;
        `value` in [0, 1] says how sure the fault is there: the share of the draws that say so, or the mean P(yes). A
        critique that is not ok, stops or has no remarks has one row of the image before with number 0.

    Raises:
        SetupError: as `reading.ask_and_read`.
    """
    rows: list[dict] = []
    questions: list[list[Request]] = []
    asked_in: list[int] = []  # row of each question
    for critic, record, image_set, when, k in _images(records, judge["audited"]):
        critique = critiques[critic].get(record["id"])
        row = {"id": record["id"], "critic": critic, "image_set": image_set, "when": when, "k": k}
        remarks, status, reason = _remarks(critique)
        if not remarks and when == BEFORE:
            rows.append(row | _unasked(0, None, status, reason))
        for number, remark in enumerate(remarks, 1):
            image = images[image_set].get(record["id"])
            problem = image_problem(image)
            rows.append(row | _unasked(number, remark, "skipped", problem))
            if image and not problem:
                values, path = {"remark": remark}, Path(image["path"])
                questions.append(question_requests(ROLE, judge, record, values, [path], scenario))
                asked_in.append(len(rows) - 1)
            elif on_done:
                for _ in range(judge["draws"]):
                    on_done()
    fingerprint = fingerprints_of_answers(judge, fingerprints, REMARKS)
    for index, answer in zip(asked_in, ask_questions(questions, judge, chat, on_done), strict=True):
        rows[index] |= {"value": answer.value, "status": answer.status, "reason": answer.reason, "draws": answer.draws}
        rows[index] |= {"exchange": answer.exchange, **answer.spread(judge)}
        rows[index]["fingerprint"] = fingerprint([answer])
    return rows


def count_questions(records: list[dict], critiques: dict[str, dict[str, dict]], judge: dict) -> int:
    """How many questions an audit has, each draw counted; arguments as of `audit_critiques`."""
    looked_at = _images(records, judge["audited"])
    remarks = sum(len(_remarks(critiques[critic].get(record["id"]))[0]) for critic, record, *_ in looked_at)
    return remarks * judge["draws"]


def _images(records: list[dict], audited: list[dict]) -> Iterator[tuple[str, dict, str, str, int | None]]:
    """Critic, record, image set, `when` and k of everything that is looked at; one image after the other."""
    for sets in audited:
        looked_at = [
            (sets["before"], BEFORE, None),
            *((name, AFTER, k) for name, k in sets["after"]),
            *((name, CONTROL, None) for name in sets["control"]),
        ]
        for record in records:
            for image_set, when, k in looked_at:
                yield sets["critic"], record, image_set, when, k


def _remarks(critique: dict | None) -> tuple[list[str], str, str]:
    """The remarks of a critique; where there are none, the status and reason of its row."""
    if critique is None or critique["status"] not in USABLE:
        return [], "skipped", input_problem("critique", critique)
    if critique["status"] == NOTHING_TO_CORRECT:
        return [], NOTHING_TO_CORRECT, ""
    return remarks_of(critique["critique"], critique["refined_prompt"]), "ok", WITHOUT_REMARKS


def _unasked(number: int, remark: str | None, status: str, reason: str) -> dict:
    values = {"number": number, "remark": remark, "value": None, "status": status, "reason": reason}
    return values | {"draws": [], "exchange": [], "fingerprint": None}
