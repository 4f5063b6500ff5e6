"""Errors of any shape to words: message, codes, status and moderation flags, without secrets."""

from dataclasses import dataclass, field

from detailscribe.files.json_reader import load_json
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.openai_api.vocabulary import STATUS_OF, spelled
from detailscribe.llm.response_body import redacted_body

MAX_LEVELS = 8  # of an error that are searched for words
MAX_ITEMS = 5  # of a list
MAX_CHARACTERS = 4000  # of the words that are searched for known phrases
# In the order in which a server's messages are quoted. FastAPI says `detail`, OpenRouter quotes in `metadata.raw`.
WORDS = (
    *("message", "detail", "msg", "error", "errors", "error_description", "title", "metadata", "raw", "innererror"),
    *("provider_specific_fields", "stop_details", "explanation", "details", "base_resp", "status_msg"),
)
CODES = ("code", "type", "status", "reason", "error_type", "category")
FLAGS = ("contentFilter", "content_filter_result", "content_filter_results", "moderation_details")


@dataclass
class ErrorWords:
    """What an error says.

    Attributes:
        text: All its messages on one line, without secrets and account names; empty if it has none.
        codes: Its codes and types, spelled (`vocabulary.spelled`).
        status: The HTTP status that it names, in `code` or by its type; 0 if it names none.
        is_moderation: Whether it carries a moderation's reasons.
    """

    text: str = ""
    codes: set[str] = field(default_factory=set)
    status: int = 0
    is_moderation: bool = False


def error_words(error: object, redactor: Redactor) -> ErrorWords:
    """What an error says, whatever its shape: an object, a list, a text, or JSON inside a text."""
    words, messages = ErrorWords(), list[str]()
    _collect(redacted_body(error, redactor.redact_error), words, messages, 0)
    kept = [text for number, text in enumerate(messages) if not any(text in other for other in messages[:number])]
    words.text = "; ".join(kept)[:MAX_CHARACTERS]
    words.status = words.status or next((STATUS_OF[code] for code in sorted(words.codes) if code in STATUS_OF), 0)
    return words


def _collect(value: object, words: ErrorWords, messages: list[str], level: int) -> None:
    if level > MAX_LEVELS:
        return
    if isinstance(value, str):
        _collect_text(value.strip(), words, messages, level)
    elif isinstance(value, list):
        for item in value[:MAX_ITEMS]:
            _collect(item, words, messages, level + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("loc"), list) and isinstance(value.get("msg"), str):  # FastAPI: where, and what
            messages.append(f"{'.'.join(map(str, value['loc'][:MAX_ITEMS]))}: {value['msg']}")
        for name in CODES:
            if code := spelled(value.get(name)):
                words.codes.add(code)
                if not words.status and code.isdecimal() and len(code) == 3 and 400 <= int(code) <= 599:
                    words.status = int(code)
        if "flagged_input" in value or any(_flags(value.get(name)) for name in FLAGS):
            words.is_moderation = True
        for name in WORDS:
            _collect(value.get(name), words, messages, level + 1)


def _collect_text(text: str, words: ErrorWords, messages: list[str], level: int) -> None:
    if text.startswith(("{", "[")):
        try:
            _collect(load_json(text, allow_nonfinite=True), words, messages, level + 1)
            return
        except ValueError:
            pass
    if text[:9].lower().startswith(("<html", "<!doctype")):  # a page of a gateway, whose title says what happened
        text = text.partition("<title>")[2].partition("</title>")[0]
    if text := " ".join(text.split()):
        messages.append(text[:MAX_CHARACTERS])


def _flags(value: object) -> bool:
    """Whether a moderation's entry flags something: a list that is not empty, or a category that is filtered."""
    if isinstance(value, dict):
        entries = [each for each in value.values() if isinstance(each, dict)]
        return any(each.get("filtered") is True for each in entries) or "categories" in value
    return isinstance(value, list) and bool(value)
