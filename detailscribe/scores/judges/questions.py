"""Questions of a judge about images: their requests, what the answers say together, and the fingerprint.

One question may be all that a judge is asked about an image: its mark. Questions about one image follow each other and
begin alike (`images_first`), so that a server that caches prefixes encodes the image once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.methods.roles import request_for
from detailscribe.scores.fingerprints import record_fingerprint
from detailscribe.scores.judges.asking import VARIABLES
from detailscribe.scores.judges.reading import YES_OR_NO, Reading, Scale, ask_and_read
from detailscribe.study.judging.judges import PROMPT, SAMPLED

DECIDES = ("model", "template", "scenario_templates", "options", "scale", "draws", "topic_cut")
ALSO_DECIDES = ("served", "reading")  # where the judge has them


@dataclass(frozen=True)
class Answered:
    """A question with the answers to all its draws.

    Attributes:
        readings: One per draw.
        replies: Their recorded replies.
    """

    readings: tuple[Reading, ...]
    replies: tuple[Reply, ...]

    @property
    def draws(self) -> list[float | None]:
        """The value of each draw on its scale, 1 for yes; None for one without a readable answer."""
        return [reading.value for reading in self.readings]

    @property
    def value(self) -> float | None:
        """Mean of the readable draws; None if there is none."""
        return _mean(self.draws)

    @property
    def status(self) -> str:
        """ok if a draw was readable; otherwise that of the first."""
        return "ok" if self.value is not None else self.readings[0].status

    @property
    def reason(self) -> str:
        """Why there is no value; empty if there is one."""
        return "" if self.value is not None else self.readings[0].reason

    @property
    def exchange(self) -> list[str]:
        """Digests of the exchanges."""
        return [reply.digest for reply in self.replies]

    @property
    def served_models(self) -> set[str]:
        """Models that answered."""
        return {reply.served_model for reply in self.replies if reply.served_model}

    def spread(self, judge: dict) -> dict:
        """Entropy (bits) and probability outside the marks, means over the draws, if the judge reads probabilities."""
        if judge.get("reading", SAMPLED) == SAMPLED:
            return {}
        return {name: _mean([getattr(each, name) for each in self.readings]) for name in ("entropy", "outside")}


def question_variables(*own: str) -> tuple[str, ...]:
    """Variables of the templates of a judge of questions, with those of its kind."""
    return (*VARIABLES, *own)


def question_requests(
    role_name: str,
    judge: dict,
    record: dict,
    values: dict,
    images: Sequence[Path],
    scenario: str,
    images_first: bool = True,
) -> list[Request]:
    """The requests of one question about an image, or about two, one per draw.

    Args:
        role_name: Of the requests: judge, judge_part, judge_remark or judge_pair.
        judge: Parameters of the judge (`asking.asking_parameters`), with `endpoint`.
        values: Template variables of its kind.
        images: Shown, in this order.
        scenario: Its name; selects the template if the judge has one for it.
        images_first: Whether requests about the image begin alike.
    """
    topic = record["topic"].split("_")[0] if judge["topic_cut"] else record["topic"]
    common = {"scale": judge["scale"], "structured": judge["structured"], "reading": judge.get("reading", SAMPLED)}
    values = {"prompt": record["prompt"], "topic": topic, **common, **values}
    role = judge | {"template": judge["scenario_templates"].get(scenario, judge["template"])}
    draws = range(judge["draws"])
    return [request_for(role_name, role, record, values, images, draw, images_first=images_first) for draw in draws]


def ask_questions(
    questions: Sequence[list[Request]],
    judge: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    scale: Scale = YES_OR_NO,
) -> list[Answered]:
    """Ask questions about images, each with its requests.

    Args:
        questions: The requests of each, one per draw.
        on_done: Called once per request.
        scale: Of the answers.

    Raises:
        SetupError: as `reading.ask_and_read`.
    """
    scale = scale if judge["structured"] else replace(scale, expected=f"{scale.expected} in <...>")
    requests = [request for question in questions for request in question]
    answers = iter(ask_and_read(chat, requests, scale, judge.get("reading", SAMPLED), on_done))
    answered = []
    for question in questions:
        replies, readings = zip(*(next(answers) for _ in question), strict=True)
        answered.append(Answered(tuple(readings), tuple(replies)))
    return answered


def fingerprints_of_answers(
    judge: dict, folder: Path, asks: str, own: Mapping | None = None
) -> Callable[[Sequence[Answered]], str]:
    """A function that gives the fingerprint of what some answers say, and records its recipe in `folder` once.

    Args:
        asks: What the judge is asked about; a mark of the whole prompt is not named.
        own: What else decides the scores of its kind.
    """
    known: dict[tuple[str, ...], str] = {}
    recipe = {key: judge[key] for key in DECIDES} | {key: judge[key] for key in ALSO_DECIDES if key in judge}
    recipe |= dict(own or {}) | ({} if asks == PROMPT else {"asks": asks})

    def fingerprint(answered: Sequence[Answered]) -> str:
        models = tuple(sorted(set().union(*(each.served_models for each in answered))))
        if models not in known:
            known[models] = record_fingerprint(recipe | {"served_model": ", ".join(models)}, folder)
        return known[models]

    return fingerprint


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
