"""Vision-language judge of pairs: which of two images of a prompt is better, and how clearly, asked in both orders.

Asking in both orders lets the tables cancel and report a judge's preference for the image that is shown first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods.reply_parsing import PAIR_MARKS, pair_value
from detailscribe.methods.roles import image_problem, request_for
from detailscribe.methods.select import select_image
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER, record_fingerprint
from detailscribe.scores.judges.asking import asking_parameters
from detailscribe.scores.judges.reading import Reading, Scale, ask_and_read
from detailscribe.study.judging.judges import PAIR, PAIRS, SAMPLED
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
DECIDES = ("model", "template", "scenario_templates", "options", "scale", "draws", "topic_cut")
ALSO_DECIDES = ("reading", "served")  # where the judge has them


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    files = {}
    for name in study.judges_asked(PAIRS):
        files[f"judge-{name}"] = {
            **asking_parameters(study, study.judging[name]),
            "methods": [list(each) for each in candidates_of_pairs(study, name).items()],  # a list keeps its order
            "by": selector_of_pairs(study, name),
            "schedule": schedule_of(study, name),
        }
    return files


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
        judge: A role (`methods.roles`) with `schedule` (`pair_schedule.schedule_of`), `structured`,
            `scenario_templates`, `draws` (repeats per order), `topic_cut` and, for a reading by probability, `reading`.
        chat: Client of the judge's endpoint.
        on_done: Called once per repeat, or once for an order that is not asked.
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        A row per order: `id, first, second` (methods), `first_image_set, second_image_set, value` (mean of the
        readable repeats in [-1, 1], positive if the image shown first is better), `choice` (first, second or tie: the
        mark that is nearest), `status, reason, identical` (both images have the same bytes: a tie that is not asked),
        `draws` (null for an unreadable one), `exchange, fingerprint`; by probability also `entropy` and `outside`, as
        lists.
    """
    template = judge["scenario_templates"].get(scenario, judge["template"])
    role, rows, requests = judge | {"template": template}, [], []
    for record in records:
        topic = record["topic"].split("_")[0] if judge["topic_cut"] else record["topic"]
        values = {"prompt": record["prompt"], "topic": topic, "scale": PAIR, "structured": judge["structured"]}
        values |= {"reading": judge.get("reading", SAMPLED)}
        pairs = scheduled_pairs(record["id"], list(images), judge["schedule"])
        for first, second in [order for one, other in pairs for order in ((one, other), (other, one))]:
            row = _row(record["id"], {name: images[name].get(record["id"]) for name in (first, second)})
            rows.append(row)
            if row["status"] == "ok" and not row["identical"]:
                paths = [Path(images[name][record["id"]]["path"]) for name in (first, second)]
                for repeat in range(judge["draws"]):
                    request = request_for(ROLE, role, record, values, paths, repeat, images_first=True)
                    requests.append((len(rows) - 1, request))
            elif on_done:
                on_done()
    answers: dict[int, list[tuple[Reply, Reading]]] = {}
    asked: list[Request] = [request for _, request in requests]
    found = ask_and_read(chat, asked, SCALE, judge.get("reading", SAMPLED), on_done)
    for (index, _), answer in zip(requests, found, strict=True):
        answers.setdefault(index, []).append(answer)
    made_by: dict[tuple, str] = {}
    for index, of_row in answers.items():
        rows[index] |= _combined([reading for _, reading in of_row], "reading" in judge)
        rows[index]["exchange"] = [reply.digest for reply, _ in of_row]
        models = tuple(sorted({reply.served_model for reply, _ in of_row if reply.served_model}))
        if models not in made_by:
            recipe = {key: judge[key] for key in (*DECIDES, *ALSO_DECIDES) if key in judge}
            made_by[models] = record_fingerprint(recipe | {"served_model": ", ".join(models)}, fingerprints)
        rows[index]["fingerprint"] = made_by[models]
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


def _combined(readings: list[Reading], by_probability: bool) -> dict:
    """Value, choice, status, reason and draws of an order from those of its repeats."""
    draws = [reading.value for reading in readings]
    values = [value for value in draws if value is not None]
    row: dict = {"value": None, "choice": None, "draws": draws}
    row |= {"status": readings[0].status, "reason": readings[0].reason}
    if values:
        value = sum(values) / len(values)
        row |= {"value": value, "choice": choice_of(value), "status": "ok", "reason": ""}
    if by_probability:
        row |= {"entropy": [each.entropy for each in readings], "outside": [each.outside for each in readings]}
    return row
