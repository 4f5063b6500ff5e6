"""Vision-language model as judge: a grade from 1 to 5 per image, or a yes or no to one question about it.

A judge has one scale. Its instruction may differ per scenario (`scenario_templates`): spatial layouts, for example,
are judged by positions. Its reply is read from angle brackets or, with `structured`, from the JSON object that the
endpoint is instructed to return. `parsing: released` reads brackets as the released code does.
"""

from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing
from detailscribe.methods.reply_parsing import judge_response_format
from detailscribe.methods.roles import excerpt, image_problem, read_reply, request_for
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER, record_fingerprint
from detailscribe.study.judging.judges import PROMPT, reading_parameters
from detailscribe.study.roles import BASE_VARIABLES, read_template, refresh_count
from detailscribe.study.served import served_model
from detailscribe.study.study import Study

STAGE = "judge"
ALGORITHM = 3
VARIABLES = (*BASE_VARIABLES, "scale", "structured")  # of the templates


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    quirks = study.config["quirks"]
    files = {}
    for name in study.judges_asked(PROMPT):
        entry = study.config["judges"][name]
        structured = entry["reply"] == "structured"
        files[f"judge-{name}"] = {
            "model": entry["model"],
            "template": read_template(study, entry["template"], VARIABLES),
            "scenario_templates": {
                scenario: read_template(study, template, VARIABLES)
                for scenario, template in entry["scenario_templates"].items()
            },
            "options": entry["options"] | (judge_response_format(entry["scale"]) if structured else {}),
            "scale": entry["scale"],
            "structured": structured,
            **refresh_count(study, f"judge-{name}"),
            **served_model(study, entry["endpoint"]),
            "draws": entry["draws"],
            "topic_cut": quirks["judge_topic_cut"],
            "missing_score": quirks["judge_missing_score"],
            # Absent unless it is used, so that a study without it keeps its parameter files and fingerprints.
            **reading_parameters(study.judging[name]),
            **({"parsing": "released"} if quirks["judge_parsing"] == "released" and not structured else {}),
        }
    return files


SCALES = {"grade": (reply_parsing.judge_score, "score from 1 to 5"), "yes_no": (reply_parsing.yes_or_no, "yes or no")}
RELEASED_SCALES = {"grade": reply_parsing.released_score, "yes_no": reply_parsing.released_yes_or_no}
DECIDES = ("model", "template", "scenario_templates", "options", "scale", "draws", "topic_cut", "missing_score")


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
            `topic_cut` (show the topic only up to its first `_`) and, if replies are read as the released code reads
            them, `parsing: released`.
        chat: Client of the judge's endpoint.
        on_done: Called once per repeat, or once for an image that cannot be shown.
        scenario: Its name; selects the template if the judge has one for it.
        fingerprints: Folder of the fingerprints' recipes.

    Returns:
        Rows `id, image_set, score, status, reason, draws, exchange, fingerprint`: the score is the mean of the
        readable repeats, in [1, 5], or in [0, 1] for yes_no; `draws` has null for an unreadable one. With `parsing`,
        rows have it, too, and a score is any whole number.

    Source: DetailScribe, MLLM judge. Differs: an unreadable reply gives no score, and the last brackets count, not the
    first; the released code's 2 needs `missing_score: 2`, its reading `parsing: released`, its cut topic
    `topic_cut: true`.
    """
    parsing = {key: judge[key] for key in ("parsing",) if key in judge}
    served = {key: judge[key] for key in ("served",) if key in judge}  # weights of the same name may differ
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
                for repeat in range(judge["draws"]):
                    request = request_for("judge", role, record, values, [path], repeat)
                    requests.append((len(rows) - 1, request))
            elif on_done:
                on_done()
    replies_of_row: dict[int, list[tuple[Reply, Request]]] = {}
    for (index, request), reply in zip(requests, chat.ask([request for _, request in requests], on_done), strict=True):
        replies_of_row.setdefault(index, []).append((reply, request))
    fingerprint_of: dict[tuple, str] = {}
    for index, answers in replies_of_row.items():
        parsed = [_read(reply, request, judge) for reply, request in answers]
        replies = [reply for reply, _ in answers]
        rows[index] |= _combine_repeats(parsed, judge["missing_score"] if replies[0].status != "failed" else None)
        rows[index]["exchange"] = [reply.digest for reply in replies]
        models = tuple(sorted({reply.served_model for reply in replies if reply.served_model}))
        if models not in fingerprint_of:
            recipe = {key: judge[key] for key in DECIDES} | {"served_model": ", ".join(models)} | parsing | served
            fingerprint_of[models] = record_fingerprint(recipe, fingerprints)
        rows[index] |= {"fingerprint": fingerprint_of[models], **parsing}
    return rows


def _read(reply: Reply, request: Request, judge: dict) -> tuple[str, str, float | None]:
    """Status, reason and score of a reply."""
    if judge.get("parsing") != "released":
        parse, expected = SCALES[judge["scale"]]
        return read_reply(reply, request, parse, expected if judge["structured"] else f"{expected} in <...>")
    if reply.status != "ok":
        return reply.status, reply.reason, None
    score = RELEASED_SCALES[judge["scale"]](reply.text)
    if score is None:
        return "unparsed", f"no digits alone in the first <...> of the reply: {excerpt(reply.text)}", None
    return "ok", "", score


def _combine_repeats(parsed: list[tuple], missing_score: float | None) -> dict:
    """Score, status, reason and draws of an image, from status, reason and score of each repeat."""
    draws = [score for _, _, score in parsed]
    scores = [score for score in draws if score is not None]
    if scores:
        return {"score": sum(scores) / len(scores), "status": "ok", "reason": "", "draws": draws}
    status, reason = parsed[0][:2]
    if missing_score is not None:
        reason = f"{reason}; counted as {missing_score:g} (`missing_score`)"
        return {"score": float(missing_score), "status": "ok", "reason": reason, "draws": draws}
    return {"score": None, "status": status, "reason": reason, "draws": draws}
