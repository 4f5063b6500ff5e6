"""Classification of HTTP errors: refusal, failed request, or a problem of the endpoint."""

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.request import Answer, Request

POLICY_CODES = {  # a refusal that arrives as an HTTP error
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
}
SETUP_CODES = {"model_not_found", "unknown_parameter", "unsupported_parameter", "unsupported_value"}
NO_CREDIT_CODES = {"insufficient_quota", "billing_hard_limit_reached"}


def classify_http_error(
    status: int,
    error: object,
    request: Request,
    endpoint: dict,
    redactor: Redactor,
    retry_after_s: float | None = None,
) -> Answer:
    """The answer to one request that an HTTP error stands for.

    Args:
        status: HTTP status.
        error: `error` of the body: message, code, type.
        retry_after_s: How long the endpoint wants no calls.

    Raises:
        EndpointError: the error concerns more than this request.
    """
    error = error if isinstance(error, dict) else {"message": error}
    codes = {str(error.get("code")), str(error.get("type"))}
    message = redactor.excerpt(str(error.get("message") or "no message"))
    if status in (400, 403) and codes & POLICY_CODES:
        return Answer("refused", f"the provider declined: {message}", served_model=request.model)
    if status in (401, 403):
        key = endpoint.get("key_env")
        remedy = f"check the key in the environment variable {key}" if key else "name its `key_env` in the config"
        raise EndpointError(
            f"did not accept the key (HTTP {status}); {remedy}", retryable=False, status=status
        ) from None
    if status == 404 or codes & SETUP_CODES:
        raise EndpointError(
            f"cannot serve the model {request.model!r} (HTTP {status}: {message}); "
            "check the model's name, its options and `base_url`",
            retryable=False,
            status=status,
        ) from None
    if status == 402 or codes & NO_CREDIT_CODES:
        raise EndpointError(f"has no credit left (HTTP {status}); top up the account", retryable=False) from None
    if status == 429:
        raise EndpointError(
            "still asks for fewer calls (HTTP 429); lower its `in_flight`",
            rate_limited=True,
            retry_after_s=retry_after_s,
        ) from None
    if status in (408, 409) or status >= 500:
        raise EndpointError(f"reported a temporary error (HTTP {status})", retry_after_s=retry_after_s) from None
    return Answer("failed", f"the server rejected the request (HTTP {status}: {message})")
