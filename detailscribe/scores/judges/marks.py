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
from detailscribe.llm.request import Reply
from detailscribe.methods import reply_parsing
from detailscribe.methods.roles import excerpt, image_problem, request_for
from detailscribe.scores.fingerprints import FINGERPRINTS_FOLDER, record_fingerprint
from detailscribe.scores.judges.asking import VARIABLES, asking_parameters
from detailscribe.scores.judges.reading import GRADES, YES_OR_NO, Reading, ask_and_read
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
DECIDES = ("model", "template", "scenario_templates", "options", "scale", "draws", "topic_cut", "missing_score")
ALSO_DECIDES = ("parsing", "served", "reading")  # where the judge has them


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
    also = {key: judge[key] for key in ALSO_DECIDES if key in judge}
    reading = judge.get("reading", SAMPLED)
    role = judge | {"template": judge["scenario_templates"].get(scenario, judge["template"])}
    rows, requests = [], []
    for image_set, images in image_sets.items():
        for record in records:
            problem = image_problem(images.get(record["id"]))
            row = {"id": record["id"], "image_set": image_set, "score": None, "status": "skipped", "reason": problem}
            rows.append(row | {"draws": [], "exchange": [], "fingerprint": None} | _spread(judge, []))
            if not problem:
                topic = record["topic"].split("_")[0] if judge["topic_cut"] else record["topic"]
                values = {"prompt": record["prompt"], "topic": topic}
                values |= {"scale": judge["scale"], "structured": judge["structured"], "reading": reading}
                path = Path(images[record["id"]]["path"])
                for repeat in range(judge["draws"]):
                    first = reading != SAMPLED
                    request = request_for("judge", role, record, values, [path], repeat, images_first=first)
                    requests.append((len(rows) - 1, request))
            elif on_done:
                on_done()
    scale = SCALES[judge["scale"]]
    scale = scale if judge["structured"] else replace(scale, expected=f"{scale.expected} in <...>")
    asked = [request for _, request in requests]
    answers_of_row: dict[int, list[tuple[Reply, Reading]]] = {}
    for (index, _), answer in zip(requests, ask_and_read(chat, asked, scale, reading, on_done), strict=True):
        answers_of_row.setdefault(index, []).append(answer)
    fingerprint_of: dict[tuple, str] = {}
    for index, answers in answers_of_row.items():
        replies = [reply for reply, _ in answers]
        released = RELEASED_SCALES[judge["scale"]] if also.get("parsing") == "released" else None
        parsed = [_as_released(reply, released) if released else each for reply, each in answers]
        failed = replies[0].status == "failed" or (reading != SAMPLED and parsed[0].status == "failed")
        rows[index] |= _combine_repeats(parsed, None if failed else judge["missing_score"])
        rows[index]["exchange"] = [reply.digest for reply in replies]
        models = tuple(sorted({reply.served_model for reply in replies if reply.served_model}))
        if models not in fingerprint_of:
            recipe = {key: judge[key] for key in DECIDES} | {"served_model": ", ".join(models)} | also
            fingerprint_of[models] = record_fingerprint(recipe, fingerprints)
        rows[index] |= {"fingerprint": fingerprint_of[models]}
        rows[index] |= {key: value for key, value in also.items() if key == "parsing"} | _spread(judge, parsed)
    return rows


def _as_released(reply: Reply, parse: Callable[[str], float | None]) -> Reading:
    """The mark of a reply as the released code reads it."""
    if reply.status != "ok":
        return Reading(reply.status, reply.reason, None)
    if (score := parse(reply.text)) is None:
        reason = f"no digits alone in the first <...> of the reply: {excerpt(reply.text)}"
        return Reading("unparsed", reason, None)
    return Reading("ok", "", score)


def _spread(judge: dict, readings: list[Reading]) -> dict:
    """Entropy and mass outside the marks of an image, if its reading is by probability: means, and those of draws."""
    columns: dict = {}
    for name in ("entropy", "outside") if judge.get("reading", SAMPLED) != SAMPLED else ():
        draws = [getattr(each, name) for each in readings]
        known = [each for each in draws if each is not None]
        columns[name] = sum(known) / len(known) if known else None
        columns |= {f"{name}_draws": draws} if judge["draws"] > 1 else {}
    return columns


def _combine_repeats(readings: list[Reading], missing_score: float | None) -> dict:
    """Score, status, reason and draws of an image, from the reading of each repeat."""
    draws = [reading.value for reading in readings]
    scores = [score for score in draws if score is not None]
    if scores:
        return {"score": sum(scores) / len(scores), "status": "ok", "reason": "", "draws": draws}
    status, reason = readings[0].status, readings[0].reason
    if missing_score is not None:
        reason = f"{reason}; counted as {missing_score:g} (`missing_score`)"
        return {"score": float(missing_score), "status": "ok", "reason": reason, "draws": draws}
    return {"score": None, "status": status, "reason": reason, "draws": draws}
