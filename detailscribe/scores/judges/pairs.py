"""Vision-language judge of pairs: which of two images of a prompt is better, and how clearly, asked in both orders.

Asking in both orders lets the tables cancel and report a judge's preference for the image that is shown first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import PAIR_MARKS, pair_value
from detailscribe.methods.roles import image_problem
from detailscribe.methods.select import select_image
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER
from detailscribe.scores.judges.asking import asking_parameters
from detailscribe.scores.judges.questions import Answered, ask_questions, fingerprints_of_answers, question_requests
from detailscribe.scores.judges.reading import Scale
from detailscribe.study.judging.judges import PAIRS
from detailscribe.study.judging.pair_schedule import (
    candidates_of_pairs,
    schedule_of,
    scheduled_pairs,
    selector_of_pairs,
)
from detailscribe.study.study import Study

STAGE = "judge_pairs"
ALGORITHM = 1
ROLE = "judge_pair"  # of its requests, which are priced apart from those about one image
FIRST, SECOND, TIE = "first", "second", "tie"  # values of `choice`
DECISIVE = 0.25 - 1e-9  # half the distance between two marks: a value nearer to 0 is nearest to the mark of a tie
SCALE = Scale(PAIR_MARKS, pair_value, "number from 1 to 5")


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {
        f"judge-{name}": {
            **asking_parameters(study, study.judging[name]),
            "methods": [list(each) for each in candidates_of_pairs(study, name).items()],  # a list keeps its order
            "by": selector_of_pairs(study, name),
            "schedule": schedule_of(study, name),
        }
        for name in study.judges_asked(PAIRS)
    }


def images_of_methods(
    records: Sequence[dict],
    candidates: Mapping[str, Sequence[str]],
    images: Mapping[str, Mapping[str, dict]],
    scores: list[dict],
    by: str,
) -> dict[str, dict[str, dict]]:
    """The image that a judge sees of each method and prompt: its only one, or the best by a metric.

    Args:
        records: Prompt records.
        candidates: Image sets or selections by method.
        images: Rows by id of each of them, with `status`, `reason`, `path`, `sha256`.
        scores: Score rows of the metric.
        by: Its name. The first candidate wins a tie.

    Returns:
        By method, by id: the row of the image with `image_set`, or one of status skipped with its `reason`.
    """
    shown: dict[str, dict[str, dict]] = {}
    for method, names in candidates.items():
        chosen = {record["id"]: {"status": "ok", "image_set": names[0]} for record in records}
        if len(names) > 1:
            found = {row["id"]: row for row in select_image(scores, list(names), by)}
            unknown = {"status": "skipped", "reason": f"there are no scores by {by}"}
            chosen = {record["id"]: found.get(record["id"], unknown) for record in records}
        shown[method] = {
            id: {"image_set": row["image_set"]} | images[row["image_set"]][id] if row["status"] == "ok" else row
            for id, row in chosen.items()
        }
    return shown


def judge_pairs(
    records: Sequence[dict],
    images: Mapping[str, Mapping[str, dict]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scenario: str = "",
    fingerprints: Path = FINGERPRINTS_FOLDER,
) -> list[dict]:
    """Choices of a judge between the images of two methods, for every scheduled pair and in both orders.

    Args:
        records: Prompt records.
        images: Of `images_of_methods`.
        judge: Parameters of the judge, with `endpoint`.
        chat: Client of its endpoint.
        on_done: Called once per repeat, or once for an order that is not asked.
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        A row per order: `id, first, second` (methods), `first_image_set, second_image_set, value` (mean of the
        readable repeats in [-1, 1], positive if the image shown first is better), `choice` (first, second or tie: the
        mark that is nearest), `status, reason, identical` (both images have the same bytes: a tie that is not asked),
        `draws` (null for an unreadable one), `exchange, fingerprint`; with a reading by probability also `entropy` and
        `outside`, means over the repeats.

    Raises:
        SetupError: as `reading.ask_and_read`.
    """
    rows: list[dict] = []
    asked: dict[int, list[Request]] = {}  # by the place of the row
    for record in records:
        pairs = scheduled_pairs(record["id"], list(images), judge["schedule"])
        for first, second in [order for one, other in pairs for order in ((one, other), (other, one))]:
            row = _row(record["id"], {name: images[name].get(record["id"]) for name in (first, second)})
            rows.append(row | Answered((), ()).spread(judge))
            if row["status"] == "ok" and not row["identical"]:
                paths = [Path(images[name][record["id"]]["path"]) for name in (first, second)]
                asked[len(rows) - 1] = question_requests(ROLE, judge, record, {}, paths, scenario)
            elif on_done:
                on_done()
    fingerprint = fingerprints_of_answers(judge, fingerprints, PAIRS)
    for index, each in zip(asked, ask_questions([*asked.values()], judge, chat, on_done, SCALE), strict=True):
        choice = None if each.value is None else choice_of(each.value)
        rows[index] |= {"value": each.value, "choice": choice, "status": each.status, "reason": each.reason}
        rows[index] |= {"draws": each.draws, "exchange": each.exchange, "fingerprint": fingerprint([each])}
        rows[index] |= each.spread(judge)
    return rows


def choice_of(value: float) -> str:
    """The image that a value in [-1, 1] prefers, or a tie: the mark that is nearest."""
    return FIRST if value >= DECISIVE else SECOND if value <= -DECISIVE else TIE


def _row(id: str, images: dict[str, dict | None]) -> dict:
    """The row of an order before it is asked.

    Args:
        images: Rows of the two images by method, in the order in which they are shown.
    """
    (first, one), (second, other) = images.items()
    problems = [f"{name}: {problem}" for name, image in images.items() if (problem := image_problem(image))]
    identical = not problems and (one or {})["sha256"] == (other or {})["sha256"]
    return {
        **{"id": id, "first": first, "second": second},
        **{f"{place}_image_set": (image or {}).get("image_set") for place, image in ((FIRST, one), (SECOND, other))},
        **{"value": 0.0 if identical else None, "choice": TIE if identical else None},
        **{"status": "skipped" if problems else "ok", "reason": "; ".join(problems), "identical": identical},
        **{"draws": [], "exchange": [], "fingerprint": None},
    }
