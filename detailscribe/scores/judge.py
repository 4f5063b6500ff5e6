"""A vision-language model as judge: a grade from 1 to 5 for each image, or a yes or no to one question about it.

A judge has one scale. Its instruction may differ between scenarios (`scenario_templates`): spatial layouts, say, are
judged by where things are. Its reply is read from angle brackets, or, with `structured`, from the JSON object that the
endpoint was told to keep to.
"""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.methods import reply_parsing
from detailscribe.methods.reply_parsing import answer_format
from detailscribe.methods.roles import image_problem, read_reply, request_for
from detailscribe.scores.fingerprints import FOLDER, fingerprint
from detailscribe.study.roles import read_template, refresh_count
from detailscribe.study.study import Study

STAGE = "judge"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    quirks = study.config["quirks"]
    files = {}
    for name, entry in study.config["judges"].items():
        structured = entry["reply"] == "structured"
        files[f"judge-{name}"] = {
            "model": entry["model"],
            "template": read_template(study, entry["template"]),
            "scenario_templates": {
                scenario: read_template(study, template) for scenario, template in entry["scenario_templates"].items()
            },
            "options": entry["options"] | (answer_format(entry["scale"]) if structured else {}),
            "scale": entry["scale"],
            "structured": structured,
            **refresh_count(study, f"judge-{name}"),
            "draws": entry["draws"],
            "topic_cut": quirks["judge_topic_cut"],
            "missing_score": quirks["judge_missing_score"],
        }
    return files


SCALES = {"grade": (reply_parsing.judge_score, "score from 1 to 5"), "yes_no": (reply_parsing.yes_or_no, "yes or no")}
DECIDES = ("model", "template", "scenario_templates", "options", "scale", "draws", "topic_cut", "missing_score")


def judge(
    records: list[dict],
    image_sets: dict[str, dict[str, dict]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scenario: str = "",
    fingerprints: Path = FOLDER,
) -> list[dict]:
    """Grade the images of some image sets; the same image and prompt in two sets is asked about once.

    Args:
        image_sets: By image set, by id: `status`, `reason`, `path`, `sha256`.
        judge: A role (`language.py`) with `scale` (grade or yes_no), `structured`, `scenario_templates`, `draws`
            (answers per image), `missing_score` (null, or the score of an image whose replies hold none) and
            `topic_cut` (show the topic only up to its first `_`).
        on_done: Called once a draw, or once for an image that cannot be shown.
        scenario: Its name, which decides the template where the judge has one for it.
        fingerprints: Where what a fingerprint stands for is kept.

    Returns:
        Rows `id, image_set, score, status, reason, draws, exchange, fingerprint`: the score is the mean of the draws
        that gave one, in [1, 5], or for yes_no in [0, 1]; `draws` has null for one that did not.

    Source: DetailScribe, MLLM judge. Differs: an unreadable reply gives no score; the released code's 2 needs
    `missing_score: 2`, its cut topic `topic_cut: true`.
    """
    parse, wanted = SCALES[judge["scale"]]
    wanted += "" if judge["structured"] else " in <...>"
    role = judge | {"template": judge["scenario_templates"].get(scenario, judge["template"])}
    rows, requests = [], []
    for image_set, images in image_sets.items():
        for record in records:
            problem = image_problem(images.get(record["id"]))
            row = {"id": record["id"], "image_set": image_set, "score": None, "status": "skipped", "reason": problem}
            rows.append(row | {"draws": [], "exchange": [], "fingerprint": None})
            if not problem:
                topic = record["topic"].split("_")[0] if judge["topic_cut"] else record["topic"]
                values = {"prompt": record["prompt"], "topic": topic}
                values |= {"scale": judge["scale"], "structured": judge["structured"]}
                path = Path(images[record["id"]]["path"])
                for draw in range(judge["draws"]):
                    requests.append((rows[-1], request_for("judge", role, record, values, [path], draw)))
            elif on_done:
                on_done()
    answers: dict[int, list] = {}
    served: dict[int, set] = {}
    for (row, _), reply in zip(requests, chat.ask([request for _, request in requests], on_done), strict=True):
        answers.setdefault(id(row), []).append((read_reply(reply, parse, wanted), reply.digest))
        served.setdefault(id(row), set()).add(reply.served_model)
    made_by: dict[tuple, str] = {}
    for row in rows:
        if id(row) in answers:
            row |= graded(answers[id(row)], judge["missing_score"])
            models = tuple(sorted(filter(None, served[id(row)])))
            if models not in made_by:
                recipe = {key: judge[key] for key in DECIDES} | {"served_model": ", ".join(models)}
                made_by[models] = fingerprint(recipe, fingerprints)
            row["fingerprint"] = made_by[models]
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
