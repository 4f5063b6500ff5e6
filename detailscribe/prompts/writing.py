"""Benchmark prompts from topics, the first stage of the released code: a language model writes one prompt per topic."""

from collections.abc import Callable
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.table_reader import text_lines
from detailscribe.llm.client import Chat
from detailscribe.methods.roles import prompt_in_reply, request_for
from detailscribe.prompts.topic_words import missing_words, normalized
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "write"
ALGORITHM = 1
VARIABLES = ("topic", "kind")  # of the templates
KINDS = ("functional", "compositional", "multi_subject")
REJECTED_COLUMNS = ("topic", "prompt", "reason")
SHOWN_TOPICS = 10  # rejected topics that a job names on the terminal


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    config = study.config
    return {
        f"write-{name}": {
            **role_parameters(study, "write", config["templates"]["write"][entry["kind"]], "brackets", VARIABLES),
            "kind": entry["kind"],
            "attempts": config["topic_attempts"],
        }
        for name, entry in config["topics"].items()
    }


def prompts_from_topics(
    topics: list[str],
    kind: str,
    role: dict,
    chat: Chat,
    attempts: int,
    on_done: Callable[[], None] | None = None,
) -> tuple[list[dict], list[dict]]:
    """Have one prompt written per topic; ask again if it misses the topic or repeats another prompt.

    Args:
        kind: functional, compositional or multi_subject.
        attempts: Maximum number of requests per topic; each is another sample (draw).
        on_done: Called once per finished topic.

    Returns:
        Records `topic, prompt` in the order of the topics, and rows `topic, prompt, reason` of the topics without an
        accepted prompt, with the last prompt written (null if there was none).

    Raises:
        InputError: the kind is unknown.

    Source: InterActing, released code, `prompt_completion.py`. Differs: the released code checks nothing.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    topics = list(dict.fromkeys(topics))
    accepted: dict[str, str] = {}
    topic_of: dict[str, str] = {}  # by accepted prompt, normalized
    rejected: dict[str, dict] = {}
    for draw in range(attempts):
        open_topics = [topic for topic in topics if topic not in accepted]
        requests = [
            request_for("write_prompts", role, {"id": topic}, {"topic": topic, "kind": kind}, draw=draw)
            for topic in open_topics
        ]
        for topic, request, reply in zip(open_topics, requests, chat.ask(requests), strict=True):
            status, reason, prompt = prompt_in_reply(reply, role, request)
            if prompt is None:
                reason = f"{status}: {reason}"
            else:
                other = topic_of.get(normalized(prompt))
                reason = f"the same prompt as for the topic {other!r}" if other else missing_words(topic, prompt)
            if prompt is not None and not reason:
                accepted[topic], topic_of[normalized(prompt)] = prompt, topic
                rejected.pop(topic, None)
            else:
                rejected[topic] = {"topic": topic, "prompt": prompt, "reason": reason}
            if on_done and (not reason or draw == attempts - 1):
                on_done()
    records = [{"topic": topic, "prompt": accepted[topic]} for topic in topics if topic in accepted]
    return records, [rejected[topic] for topic in topics if topic in rejected]


def rejected_tsv(rejected: list[dict]) -> str:
    """Rejected topics as tab-separated text, one line per row; the prompt is empty where none was read."""
    lines = [list(REJECTED_COLUMNS)]
    lines += [[" ".join((row[column] or "").split()) for column in REJECTED_COLUMNS] for row in rejected]
    return "".join("\t".join(line) + "\n" for line in lines)


def rejected_lines(rejected: list[dict], count: int, table: Path) -> list[str]:
    """Lines that name the rejected topics of `count`, the first `SHOWN_TOPICS` with their reasons; none without one."""
    if not rejected:
        return []
    lines = [f"{len(rejected)} of {count} topics have no prompt:"]
    lines += [f"  {row['topic']}: {row['reason']}" for row in rejected[:SHOWN_TOPICS]]
    return [*lines, f"All of them are in {table}; prompts for them can be added to a prompt file by hand."]


def read_topics(path: Path) -> list[str]:
    """Topics of a text file: UTF-8, one per line, `#` begins a comment line.

    Raises:
        InputError: not UTF-8, a duplicate topic (ignoring case, spaces, hyphens and underscores), or no topic; the
            message names file and line.
    """
    topics: list[str] = []
    first_line: dict[str, int] = {}
    for number, line in text_lines(path):
        topic = line.strip()
        if not topic or topic.startswith("#"):
            continue
        if (key := normalized(topic)) in first_line:
            first = first_line[key]
            raise InputError(f"{path}, line {number}: topic {topic!r} is already on line {first}; remove one of them")
        first_line[key] = number
        topics.append(topic)
    if not topics:
        raise InputError(f"{path}: no topic; write one per line")
    return topics
