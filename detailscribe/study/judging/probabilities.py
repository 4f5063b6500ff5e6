"""Requests of judges that read token probabilities (logprobs): their options, and endpoints that give none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.errors import InputError
from detailscribe.llm.endpoints import is_offline
from detailscribe.llm.served.kinds import is_served, server_program
from detailscribe.llm.spending.bounds import LIMIT_OPTIONS
from detailscribe.study.judging.judges import GRADE, PAIR, SAMPLED, YES_NO, Judge

if TYPE_CHECKING:
    from detailscribe.study.study import Study

PROBABILITIES = {"logprobs": True, "top_logprobs": 20}  # the most that OpenAI gives, and vLLM unless it is told more
DIRECT_TOKENS = 16  # of a mark alone, with what models put around it
DEMO_MODELS = ("miniature-vlm",)  # models of the demo that give probabilities; its mock gives none
NO_PROBABILITIES = ("transformers",)  # programs whose servers give none
MARKS = {GRADE: 5, YES_NO: 2, PAIR: 5}  # that a list of alternatives must hold


def asking_options(judge: Judge) -> dict:
    """Options of a judge's requests: its own; with a probability reading also those that ask for probabilities.

    The answer is then a mark alone: `max_tokens` is small unless the judge's options limit the output themselves.
    """
    own = judge.entry["options"]
    if judge.reading == SAMPLED:
        return own
    limit = {} if any(name in own for name in LIMIT_OPTIONS) else {"max_tokens": DIRECT_TOKENS}
    return PROBABILITIES | limit | own


def check_probabilities(study: Study, judge: Judge) -> None:
    """Refuse a probability reading where its endpoint, its options or the way of parsing cannot give it.

    Raises:
        InputError: names the key, the value and the remedy.
    """
    if judge.reading == SAMPLED:
        return
    place, name = f"judges: {judge.name}: reading: {judge.reading}", judge.entry["endpoint"]
    endpoint, options = study.config["endpoints"].get(name), judge.entry["options"]
    if endpoint is None:
        return  # named by the check of endpoints
    program = server_program(endpoint) if is_served(endpoint) else ""
    is_mock = is_offline(endpoint) and judge.entry["model"] not in DEMO_MODELS
    if is_mock or program in NO_PROBABILITIES:
        what = program or "the offline mock"
        raise InputError(
            f"{place} needs token probabilities, which {what} does not give (endpoint {name!r}); set `reading: "
            "sampled`, or another endpoint"
        )
    if study.config["quirks"]["judge_parsing"] == "released":
        raise InputError(
            f"{place}: the released code reads no token probabilities; set `reading: sampled`, or `quirks: "
            "{judge_parsing: strict}`"
        )
    if "logprobs" in options and not options["logprobs"]:
        raise InputError(f"{place}: options: logprobs: {options['logprobs']!r} asks for no probabilities; remove it")
    least, top = MARKS[judge.scale], options.get("top_logprobs", PROBABILITIES["top_logprobs"])
    if not isinstance(top, int) or isinstance(top, bool) or top < least:
        raise InputError(
            f"{place}: options: top_logprobs: {top!r} does not hold the {least} marks of the scale; remove it"
        )
