"""Vision-language model as judge: a grade from 1 to 5 per image, or a yes or no to one question about it.

A judge has one scale. Its instruction may differ per scenario (`scenario_templates`): spatial layouts, for example,
are judged by positions. Its reply is read from angle brackets or, with `structured`, from the JSON object that the
endpoint is instructed to return; `parsing: released` reads brackets as the released code does. With a reading by
probability (`reading`) the score is the mean of the scale's marks under the model's token probabilities.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing
from detailscribe.methods.roles import excerpt, image_problem
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER
from detailscribe.scores.judges.asking import VARIABLES, asking_parameters
from detailscribe.scores.judges.questions import (
    Answered,
    ask_questions,
    fingerprints_of_answers,
    question_requests,
)
from detailscribe.scores.judges.reading import GRADES, YES_OR_NO, Reading
from detailscribe.study.judging.judges import PROMPT, SAMPLED
from detailscribe.study.study import Study

STAGE = "judge"
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    quirks = study.config["quirks"]
    files = {}
    for name in study.judges_asked(PROMPT):
        asking = asking_parameters(study, study.judging[name], VARIABLES)
        released = quirks["judge_parsing"] == "released" and not asking["structured"]
        files[f"judge-{name}"] = {
            **asking,
            "missing_score": quirks["judge_missing_score"],
            **({"parsing": "released"} if released else {}),
        }
    return files


SCALES = {"grade": GRADES, "yes_no": YES_OR_NO}
RELEASED_SCALES = {"grade": reply_parsing.released_score, "yes_no": reply_parsing.released_yes_or_no}
ALSO_DECIDES = ("missing_score", "parsing")  # of its scores, besides what decides its answers


def judge_images(
    records: list[dict],
    image_sets: dict[str, dict[str, dict]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scenario: str = "",
    fingerprints: Path = FINGERPRINTS_FOLDER,
) -> list[dict]:
    """Grade the images of some image sets; one request for the same image and prompt in two sets.

    Args:
        records: Prompt records.
        image_sets: By image set, by id: `status`, `reason`, `path`, `sha256`.
        judge: A role (`methods.roles`) with `scale` (grade or yes_no), `structured`, `scenario_templates`, `draws`
            (repeats per image), `missing_score` (null, or the score of an image without a readable reply),
            `topic_cut` (show the topic only up to its first `_`), for a reading by probability `reading`, and, if
            replies are read as the released code reads them, `parsing: released`.
        chat: Client of the judge's endpoint.
        on_done: Called once per repeat, or once for an image that cannot be shown.
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        Rows `id, image_set, score, status, reason, draws, exchange, fingerprint`: the score is the mean of the
        readable repeats, in [1, 5], or in [0, 1] for yes_no; `draws` has null for an unreadable one. With `parsing`,
        rows have it, too, and a score is any whole number. By probability, rows also have `entropy` (bits, of the
        distribution over the marks) and `outside` (probability in [0, 1] of anything else), means over the repeats with
        a score; with several draws also `entropy_draws` and `outside_draws`, of each repeat.

    Raises:
        SetupError: as `reading.ask_and_read`.

    Source: DetailScribe, MLLM judge. Differs: an unreadable reply gives no score, and the last brackets count, not the
    first; the released code's 2 needs `missing_score: 2`, its reading `parsing: released`, its cut topic
    `topic_cut: true`.
    """
    by_probability = judge.get("reading", SAMPLED) != SAMPLED
    parse = RELEASED_SCALES[judge["scale"]] if judge.get("parsing") == "released" else None
    rows: list[dict] = []
    questions: list[list[Request]] = []
    asked_in: list[int] = []  # row of each question
    for image_set, images in image_sets.items():
        for record in records:
            problem = image_problem(images.get(record["id"]))
            row = {"id": record["id"], "image_set": image_set, "score": None, "status": "skipped", "reason": problem}
            row |= {"draws": [], "exchange": [], "fingerprint": None}
            rows.append(row | _spread(Answered((), ()), judge))
            if not problem:
                path = Path(images[record["id"]]["path"])
                questions.append(question_requests("judge", judge, record, {}, [path], scenario, by_probability))
                asked_in.append(len(rows) - 1)
            elif on_done:
                on_done()
    own = {key: judge[key] for key in ALSO_DECIDES if key in judge}
    fingerprint = fingerprints_of_answers(judge, fingerprints, PROMPT, own)
    answers = ask_questions(questions, judge, chat, on_done, SCALES[judge["scale"]])
    for index, answer in zip(asked_in, answers, strict=True):
        if parse:
            answer = replace(answer, readings=tuple(_as_released(reply, parse) for reply in answer.replies))
        failed = answer.replies[0].status == "failed" or (by_probability and answer.readings[0].status == "failed")
        rows[index] |= _score(answer, None if failed else judge["missing_score"])
        rows[index] |= {"draws": answer.draws, "exchange": answer.exchange, "fingerprint": fingerprint([answer])}
        rows[index] |= {key: judge[key] for key in ("parsing",) if key in judge} | _spread(answer, judge)
    return rows


def _as_released(reply: Reply, parse: Callable[[str], float | None]) -> Reading:
    """The mark of a reply as the released code reads it."""
    if reply.status != "ok":
        return Reading(reply.status, reply.reason, None)
    if (score := parse(reply.text)) is None:
        reason = f"no digits alone in the first <...> of the reply: {excerpt(reply.text)}"
        return Reading("unparsed", reason, None)
    return Reading("ok", "", score)


def _spread(answer: Answered, judge: dict) -> dict:
    """Entropy and mass outside the marks of an image, if its reading is by probability: means, and those of draws."""
    columns: dict = {}
    for name, mean in answer.spread(judge).items():
        columns[name] = mean
        if judge["draws"] > 1:
            columns[f"{name}_draws"] = [getattr(each, name) for each in answer.readings]
    return columns


def _score(answer: Answered, missing_score: float | None) -> dict:
    """Score, status and reason of an image."""
    if answer.value is None and missing_score is not None:
        reason = f"{answer.reason}; counted as {missing_score:g} (`missing_score`)"
        return {"score": float(missing_score), "status": "ok", "reason": reason}
    return {"score": answer.value, "status": answer.status, "reason": answer.reason}
