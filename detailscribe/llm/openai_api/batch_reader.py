"""Batch API objects, read from JSON of any shape: the state of a batch, a list of batches, lines of an output file."""

from dataclasses import dataclass
from typing import Any

from detailscribe.files.json_reader import load_json
from detailscribe.llm.endpoint_error import EndpointError, unforeseen_error
from detailscribe.llm.openai_api.error_words import error_words
from detailscribe.llm.openai_api.http_errors import classify_http_error
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request

LABEL = "detailscribe"  # metadata key of a batch: the name of its record
ENDED = ("completed", "expired", "cancelled", "failed")
RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
MAX_NAMED = 5  # errors of a rejected batch that a message names
SHOWN = 60  # characters of what is no status
MAX_COUNT = 10**9  # a count beyond it is no count
NOT_DONE = ("batch_expired", "batch_cancelled")  # codes of requests that the batch did not come to


@dataclass(frozen=True)
class BatchState:
    """The state of a batch; empty texts and None for what the server does not say or says in another shape.

    Attributes:
        output: Id of the file with the answers.
        errors: Id of the file with the requests that have none.
        completed: Number of answers.
        label: Name of its record.
        problem: Why it failed as a whole.
    """

    id: str = ""
    status: str = ""
    output: str = ""
    errors: str = ""
    completed: int | None = None
    label: str = ""
    problem: str = ""

    @property
    def lacks_answers(self) -> bool:
        """Whether the batch has ended and may have answers that it does not name a file of yet."""
        known_empty = self.completed == 0 or (self.completed is None and bool(self.errors))
        return self.status in ENDED[:3] and not self.output and not known_empty


def read_object(content: bytes, provider: OpenAIProvider) -> dict:
    """The JSON object in a response of the Batch API.

    Raises:
        EndpointError: it holds none; a retry may help.
    """
    try:
        value = load_json(content, allow_nonfinite=True, mend_text=True)
    except ValueError as error:
        raise EndpointError(f"sent a reply about a batch that could not be read ({error})") from None
    if not isinstance(value, dict):
        raise EndpointError("sent a reply about a batch that is no object")
    return value


def read_batch(value: object, provider: OpenAIProvider) -> BatchState:
    """The state of a batch."""
    batch = _object(value)
    return BatchState(
        id=_text(batch.get("id")),
        status=_text(batch.get("status")).lower(),
        output=_text(batch.get("output_file_id")),
        errors=_text(batch.get("error_file_id")),
        completed=_count(_object(batch.get("request_counts")).get("completed")),
        label=_text(_object(batch.get("metadata")).get(LABEL)),
        problem=_problem(_object(batch.get("errors")).get("data"), provider),
    )


def read_batches(value: dict, provider: OpenAIProvider) -> list[BatchState]:
    """The states in a list of batches."""
    listed = value.get("data")
    return [read_batch(each, provider) for each in listed] if isinstance(listed, list) else []


def read_line(line: bytes, requests: dict[str, Request]) -> tuple[Request, dict] | None:
    """The request that an output line is about, and the line's object; None if it is about none of the requests.

    Args:
        requests: By digest.
    """
    try:
        row = _object(load_json(line, allow_nonfinite=True, mend_text=True))
    except ValueError:
        return None
    request = requests.get(_text(row.get("custom_id")))
    return (request, row) if request else None


def answer_in_line(row: dict, request: Request, provider: OpenAIProvider) -> Answer | None:
    """The answer in the object of an output line; None if the request has to be made again.

    Raises:
        EndpointError: another batch may bring a better answer than its `fallback`, or the set-up is wrong.
    """
    response, error = _object(row.get("response")), row.get("error")
    status, body = _count(response.get("status_code")), response.get("body")
    try:
        if status == 200:
            return provider.parse(body, request)
        if status is None or not 300 <= status <= 599:
            if not error or _object(error).get("code") in NOT_DONE:
                return None
            status, body = 500, error
        return classify_http_error(status, body or error or {}, request, provider.endpoint, provider.redactor)
    except EndpointError:
        raise
    except Exception as unforeseen:  # whatever goes wrong with one line concerns that line alone
        raise unforeseen_error(unforeseen, provider.redactor.excerpt) from unforeseen


def status_words(row: dict) -> str:
    """The HTTP status in the object of an output line, in words, whatever stands there."""
    response = row.get("response")
    return f"status {response.get('status_code')!r}"[:SHOWN] if isinstance(response, dict) else "no response"


def _problem(errors: object, provider: OpenAIProvider) -> str:
    """Codes and messages of the errors for which a batch was rejected."""
    found = []
    for each in errors[:MAX_NAMED] if isinstance(errors, list) else []:
        found.append(
            ": ".join(filter(None, (_text(_object(each).get("code")), error_words(each, provider.redactor).text)))
        )
    return provider.redactor.excerpt("; ".join(filter(None, found)))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_COUNT:
        return None
    return int(value) if value == int(value) else None
