"""Benchmark prompts from topics, the first stage of the released code: a language model writes one prompt a topic."""

import re
from collections.abc import Callable
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.llm.client import Chat
from detailscribe.methods.roles import read_prompt, request_for
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "write"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    config = study.config
    return {
        f"write-{name}": {
            **role_parameters(study, "write", config["templates"]["write"][entry["kind"]], "brackets"),
            "kind": entry["kind"],
            "attempts": config["topic_attempts"],
        }
        for name, entry in config["topics"].items()
    }


KINDS = ("functional", "compositional", "multi_subject")
SHORTEST_STEM = 3  # letters that must be left when an ending is taken off
LONGEST_ENDING = 3  # letters by which two forms of one word may still differ
ENDINGS = (  # tried in this order, each with what takes its place
    *(("ingly", ""), ("ing", ""), ("ying", "ie"), ("ies", "y"), ("ied", "y"), ("ied", "ie")),
    *(("ed", ""), ("es", ""), ("ly", ""), ("s", ""), ("e", "")),
)
UNBOUND = frozenset(("a", "an", "and", "at", "by", "for", "in", "of", "on", "the", "to", "with"))  # may be missing


def write_prompts(
    topics: list[str],
    kind: str,
    role: dict,
    chat: Chat,
    attempts: int,
    on_done: Callable[[], None] | None = None,
) -> tuple[list[dict], list[dict]]:
    """Have one prompt written for each topic, again where it misses the topic or repeats another.

    Args:
        kind: functional, compositional or multi_subject.
        attempts: How often a topic is asked for at most; each attempt is another draw.
        on_done: Called once a topic that is settled.

    Returns:
        Records `topic, prompt` in the order of the topics, and rows `topic, prompt, reason` of those that no attempt
        got right, with the last prompt written (null if there was none).

    Raises:
        InputError: the kind is unknown.

    Source: InterActing, released code, `prompt_completion.py`. Differs: the released code checks nothing.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    topics = list(dict.fromkeys(topics))
    accepted: dict[str, str] = {}
    taken: dict[str, str] = {}
    rejected: dict[str, dict] = {}
    for draw in range(attempts):
        open_topics = [topic for topic in topics if topic not in accepted]
        requests = [
            request_for("write_prompts", role, {"id": topic}, {"topic": topic, "kind": kind}, draw=draw)
            for topic in open_topics
        ]
        for topic, reply in zip(open_topics, chat.ask(requests), strict=True):
            status, reason, prompt = read_prompt(reply, role)
            if status == "ok":
                same = taken.get(plain(prompt))
                reason = f"the same prompt as for the topic {same!r}" if same else missing_words(topic, prompt)
            else:
                reason = f"{status}: {reason}"
            if not reason:
                accepted[topic], taken[plain(prompt)] = prompt, topic
                rejected.pop(topic, None)
            else:
                rejected[topic] = {"topic": topic, "prompt": prompt, "reason": reason}
            if on_done and (not reason or draw == attempts - 1):
                on_done()
    written = [{"topic": topic, "prompt": accepted[topic]} for topic in topics if topic in accepted]
    return written, [rejected[topic] for topic in topics if topic in rejected]


def read_topics(path: Path) -> list[str]:
    """Topics of a text file: UTF-8, one a line, `#` begins a comment line.

    Raises:
        InputError: not UTF-8, a topic that is there twice (case, spaces, hyphens and underscores do not count), or no
            topic at all; the message names file and line.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        number = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {number}: not UTF-8; save the file as UTF-8") from None
    topics: list[str] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        topic = line.strip()
        if not topic or topic.startswith("#"):
            continue
        if (same := plain(topic)) in first:
            raise InputError(f"{path}, line {number}: topic {topic!r} is already on line {first[same]}; remove one")
        first[same] = number
        topics.append(topic)
    if not topics:
        raise InputError(f"{path}: no topic; write one a line")
    return topics


def missing_words(topic: str, prompt: str) -> str:
    """Which words of the topic the prompt has in no form, as a reason; empty if it has them all."""
    said = [stem(word) for word in re.findall(r"\w+", prompt.casefold())]
    words = [word for word in re.split(r"[\s_\-]+", topic.casefold()) if re.search(r"[^\W\d]", word)]
    words = [word for word in words if word not in UNBOUND] or words
    missing = [word for word in words if not any(related(stem(re.sub(r"\W", "", word)), other) for other in said)]
    return f"the prompt does not mention {', '.join(missing)}" if missing else ""


def stem(word: str) -> str:
    """A word without its English ending, doubled last letter or v for f; rough, and the same for both sides."""
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(instead) >= SHORTEST_STEM:
            word = word.removesuffix(ending) + instead
            break
    if len(word) > SHORTEST_STEM and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "f" if word.endswith("v") else word


def related(stem: str, other: str) -> bool:
    """Whether two stems are one word: equal, or one begins the other and little follows."""
    short, long = sorted((stem, other), key=len)
    begins = len(short) > SHORTEST_STEM and long.startswith(short) and len(long) - len(short) <= LONGEST_ENDING
    return stem == other or begins or (not stem.isascii() and stem in other)


def plain(text: str) -> str:
    """A text reduced to what makes it different: letters and digits, without case."""
    return "".join(re.findall(r"[^\W_]+", text.casefold()))
