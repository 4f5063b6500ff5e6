"""EndpointError: a request without an answer, with what the caller needs to retry or give up."""

from detailscribe.llm.request import Answer


class EndpointError(Exception):
    """The endpoint did not answer. The message continues a sentence that begins with the endpoint's name.

    Attributes:
        retryable: Whether another request may succeed; False stops the endpoint.
        rate_limited: Whether the endpoint asked for fewer calls.
        retry_after_s: How long it wants no calls; None if it does not say.
        fallback: Answer to record if retries are exhausted.
        status: HTTP status; 0 if there was none.
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
    ):
        super().__init__(message)
        self.retryable, self.rate_limited, self.retry_after_s = retryable, rate_limited, retry_after_s
        self.fallback, self.status = fallback, status


def unparseable_response(reason: str, body: object = None) -> EndpointError:
    """A retryable error that is recorded as `failed`, with the response's redacted body, once retries are exhausted."""
    return EndpointError(reason, fallback=Answer("failed", reason, body=body))
