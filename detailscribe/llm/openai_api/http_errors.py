"""Classification of errors: refusal, failed request, or a problem of the endpoint, each in the server's words."""

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.openai_api import vocabulary
from detailscribe.llm.openai_api.error_words import ErrorWords, error_words
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.response_body import redacted_body
from detailscribe.llm.served.kinds import is_served

MODERATED = (400, 403, 406, 422, 451)  # HTTP statuses whose words may tell of a moderation
OUTAGES = (502, 503, 504, *range(520, 530))  # HTTP statuses of gateways and of servers that do not run
TEMPORARY = (408, 409, 425)
LATE = (408, 504, 524)  # a gateway gave up on a server that may have answered, and billed, all the same


def classify_http_error(
    status: int,
    error: object,
    request: Request,
    endpoint: dict,
    redactor: Redactor,
    retry_after_s: float | None = None,
    usage: dict | None = None,
) -> Answer:
    """The answer to one request that an HTTP error stands for.

    Every text in it has passed the redactor; the error itself is kept as the answer's body.

    Args:
        status: HTTP status; of an error inside a 200, the status that it names.
        error: The response's body or its `error`: a JSON value of any shape, or a text.
        retry_after_s: How long the endpoint wants no calls.
        usage: Tokens of the call, if the response names them.

    Raises:
        EndpointError: the error concerns more than this request, or another try may help. Its `fallback` is the
            failed answer to record once all tries have failed; an outage (no words, or the status of a gateway) has
            none, since it is not this request's fault.
    """
    words = error_words(error, redactor)
    said = f"HTTP {status}: {redactor.excerpt(words.text)}" if words.text else f"HTTP {status}"
    whole = error if isinstance(error, dict) and error.get("error") else {"error": error}
    body = redacted_body({**whole, "http_status": status}, redactor.redact_error)
    if status in (400, 500) and words.status in (429, *OUTAGES):  # of a gateway that wraps what another server said
        status = words.status
    billed = usage is not None  # nobody bills an error without counting its tokens
    if _is_refusal(status, words):
        reason = f"the provider declined: {redactor.excerpt(words.text) or 'no message'}"
        return Answer("refused", reason, usage=usage, served_model=request.model, body=body, billed=billed)
    if problem := _setup_problem(status, words, said, request, endpoint):
        raise EndpointError(problem, retryable=False, status=status)
    failed = Answer("failed", f"the server answered with an error ({said})", usage=usage, body=body, billed=billed)
    if status == 429:
        raise EndpointError(
            f"still asks for fewer calls ({said}); lower its `in_flight`",
            rate_limited=True,
            retry_after_s=retry_after_s,
            status=status,
        )
    if status in TEMPORARY or status >= 500:
        known = bool(words.text) and status not in (*OUTAGES, *TEMPORARY)
        raise EndpointError(
            f"reported an error ({said})" if known else f"reported a temporary error ({said})",
            retry_after_s=retry_after_s,
            fallback=failed if known else None,
            status=status,
            may_be_billed=status in LATE,
        )
    said = said if words.text else f"{said}: no message"
    return Answer("failed", f"the server rejected the request ({said})", usage=usage, body=body, billed=billed)


def _is_refusal(status: int, words: ErrorWords) -> bool:
    if status in (401, 402, 407, 429) or words.codes & vocabulary.NO_CREDIT:
        return False
    if any(map(vocabulary.is_filter, words.codes)) or words.is_moderation:
        return True
    if status not in MODERATED or words.codes & (vocabulary.MODEL_PROBLEMS | vocabulary.KEY_PROBLEMS):
        return False
    others = vocabulary.CREDIT_WORDS, vocabulary.ACCOUNT_WORDS, vocabulary.OPTION_WORDS
    return bool(vocabulary.FILTER_WORDS.search(words.text)) and not any(each.search(words.text) for each in others)


def _setup_problem(status: int, words: ErrorWords, said: str, request: Request, endpoint: dict) -> str:
    """What is wrong with the set-up, as the end of a sentence; empty if the error is about something else."""
    key = endpoint.get("key_env")
    remedy = f"check the key in the environment variable {key}" if key else "name its `key_env` in the config"
    if is_served(endpoint):  # the key of this run, which nobody can set
        remedy = "the job made it: remove what gives its server another one (`command`, `flags`), or run again"
    if status == 402 or words.codes & vocabulary.NO_CREDIT or vocabulary.CREDIT_WORDS.search(words.text):
        return f"has no credit left ({said}); top up the account"
    if request.images and vocabulary.BLIND_WORDS.search(words.text):
        return (
            f"cannot show images to the model {request.model!r} ({said}); choose a model that sees images, "
            "or start its server with the image part (`projector`, `--mmproj`)"
        )
    if status == 401:
        return f"did not accept the key ({said}); {remedy}"
    if status == 403 or (
        status < 500 and (words.codes & vocabulary.KEY_PROBLEMS or vocabulary.ACCOUNT_WORDS.search(words.text))
    ):
        return f"did not accept the key or what it asks for ({said}); {remedy}, and what the account may use"
    if status == 407:
        return f"is behind a proxy that wants a password ({said}); put it into the proxy's environment variable"
    if (
        status in (404, 405, 410)
        or words.codes & vocabulary.MODEL_PROBLEMS
        or (status < 500 and vocabulary.MODEL_WORDS.search(words.text))
    ):
        return f"cannot serve the model {request.model!r} ({said}); check the model's name, its options and `base_url`"
    return f"answered with a redirect without target ({said}); correct `base_url`" if 300 <= status < 400 else ""
