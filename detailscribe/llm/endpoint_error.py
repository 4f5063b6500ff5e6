"""EndpointError: a request without an answer, with what the caller needs to retry or stop; reasons that are alike."""

import re
import traceback
from collections.abc import Callable
from pathlib import Path

from detailscribe.llm.request import Answer

LONGEST_WAIT_S = 600.0  # that a server may ask for; beyond it, the run ends
DAY_S = 86400.0
CHANGING = re.compile(r"(['\"`]).*?\1|\S*\d\S*")  # parts of a reason that differ from call to call: names, numbers, ids


class EndpointError(Exception):
    """The endpoint did not answer. The message continues a sentence that begins with the endpoint's name.

    Attributes:
        retryable: Whether another request may succeed; False stops the endpoint.
        rate_limited: Whether the endpoint asked for fewer calls.
        retry_after_s: How long it wants no calls; None if it does not say.
        fallback: Answer to record if retries are exhausted.
        status: HTTP status; 0 if there was none.
        may_be_billed: Whether the server may have answered all the same: a timeout, a lost connection.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        rate_limited: bool = False,
        retry_after_s: float | None = None,
        fallback: Answer | None = None,
        status: int = 0,
        may_be_billed: bool = False,
    ):
        super().__init__(message)
        self.retryable, self.rate_limited, self.retry_after_s = retryable, rate_limited, retry_after_s
        self.fallback, self.status, self.may_be_billed = fallback, status, may_be_billed


def unparseable_response(reason: str, body: object = None) -> EndpointError:
    """A retryable error that is recorded as `failed`, with the response's redacted body, once retries are exhausted."""
    return EndpointError(reason, fallback=Answer("failed", reason, body=body))


def unforeseen_error(error: Exception, excerpt: Callable[[str], str]) -> EndpointError:
    """The error of one call in which the program itself went wrong: its class, its place and its redacted message.

    Args:
        excerpt: `Redactor.excerpt` of the endpoint.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "detailscribe" in Path(frame.filename).parts] or frames
    place = f" in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    text = excerpt(str(error))
    reason = f"an unforeseen {type(error).__name__}{place}" + (f" ({text})" if text else "")
    return EndpointError(f"ended a call with {reason}", fallback=Answer("failed", reason))


def unless_too_long(error: EndpointError) -> EndpointError:
    """The error, or one that stops the endpoint if it asks for a longer wait than a run can sit out."""
    wait_s = error.retry_after_s or 0.0
    if wait_s <= LONGEST_WAIT_S:
        return error
    asked = f"{wait_s:.0f} s" if wait_s <= DAY_S else "more than a day"
    return EndpointError(f"wants no calls for {asked}; run again then", retryable=False, fallback=error.fallback)


def are_alike(reason: str, other: str) -> bool:
    """Whether two reasons are the same but for quoted parts and for words that hold a digit."""
    return kind_of_reason(reason) == kind_of_reason(other)


def kind_of_reason(reason: str) -> str:
    """A reason without quoted parts and words that hold a digit."""
    return " ".join(CHANGING.sub(" ", reason).casefold().split())
