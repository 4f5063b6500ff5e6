"""What a server's reply means: an answer to one request, or trouble that concerns more than that.

Everything that is taken over from a server goes through a `Shield`, which takes keys and account names out.
"""

import base64
import binascii
import io
import os
import re

from PIL import Image

from detailscribe.llm.request import Answer, Request, image_kind

POLICY_CODES = {  # a refusal that comes as an HTTP error
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
}
SETUP_CODES = {"model_not_found", "unknown_parameter", "unsupported_parameter", "unsupported_value"}
NO_CREDIT_CODES = {"insufficient_quota", "billing_hard_limit_reached"}
ACCOUNT_NAMES = re.compile(r"\b(?:org-|proj_|user-|sk-)[\w*.-]{10,}")  # servers put them into error messages
ACCOUNT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # the client sends them as headers
QUOTE_LENGTH = 300  # characters of a server's message that are passed on
SHORTEST_SECRET = 4  # characters; a shorter password is part of too many words


class EndpointError(Exception):
    """The endpoint did not answer.

    Attributes:
        final: The next request would fare no better.
        slow_down: The endpoint wants fewer calls.
        wait_s: How long it wants none; None where it does not say.
        answer: What is recorded if it comes to no better.
        status: HTTP status, where there was one.
    """

    def __init__(self, message: str, final=False, slow_down=False, wait_s: float | None = None, answer=None, status=0):
        super().__init__(message)
        self.final, self.slow_down, self.wait_s, self.answer = final, slow_down, wait_s, answer
        self.status = status


class Redactor:
    """Takes an endpoint's secrets out of texts: its key, what its address holds, and account names."""

    def __init__(self, key: str, *others: str):
        known = [key, *others, *(os.environ.get(name, "") for name in ACCOUNT_VARIABLES)]
        self._secrets = sorted({text for text in known if len(text) >= SHORTEST_SECRET}, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Text without secrets, and without half characters, which no file could hold."""
        text = text.encode("utf-8", "replace").decode()
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text

    def quote(self, text: str) -> str:
        """A server's words for a reason or an error: short, on one line, without account names."""
        text = ACCOUNT_NAMES.sub("[account]", self.hide(" ".join(text.split())))
        return text if len(text) <= QUOTE_LENGTH else text[:QUOTE_LENGTH] + " ..."


def read_chat(reply: object, shield: Redactor) -> Answer:
    """The answer in a chat completion.

    Raises:
        Trouble: it holds none; asking again may help.
    """
    choices = reply.get("choices") if isinstance(reply, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    if not isinstance(message, dict):
        raise unreadable("the server's reply holds no message")
    finish, text, refusal = str(choice.get("finish_reason") or ""), message.get("content"), message.get("refusal")
    text = shield.hide(text) if isinstance(text, str) else ""
    about = {
        "finish_reason": finish,
        "usage": usage_of(reply, "prompt_tokens", "completion_tokens"),
        "served_model": shield.quote(str(reply.get("model") or "")),
    }
    if refusal or finish == "content_filter":
        said = f"the model declined: {refusal}" if refusal else "the provider's content filter withheld the reply"
        return Answer("refused", shield.quote(said), text, **about)
    if not text.strip():
        answer = Answer("failed", f"the reply is empty (finish reason {finish or 'not given'})", **about)
        if finish == "length":
            return answer  # the same again would end the same way
        raise EndpointError(answer.reason, answer=answer)
    return Answer("ok", text=text, **about)


def read_image(reply: object, request: Request, shield: Redactor, fetch) -> Answer:
    """The answer in an image generation; `fetch` downloads an image that is given by its address.

    Raises:
        Trouble: it holds none; asking again may help.
    """
    data = reply.get("data") if isinstance(reply, dict) else None
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    try:
        encoded = first.get("b64_json")
        picture = base64.b64decode(encoded, validate=True) if encoded else fetch(first.get("url"))
    except (OSError, ValueError, TypeError, binascii.Error) as error:
        raise unreadable(shield.quote(f"the image could not be read from the reply ({error})")) from None
    if image_kind(picture) is None:
        raise unreadable("the reply's image is no PNG, JPEG, GIF or WebP file")
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable(shield.quote(f"the reply's image is broken ({error})")) from None
    return Answer(
        "ok",
        text=shield.hide(str(first.get("revised_prompt") or "")),
        usage=usage_of(reply, "input_tokens", "output_tokens"),
        served_model=shield.quote(str(reply.get("model") or request.model)),
        image=picture,
    )


def classify_http_error(
    status: int, error: object, request: Request, endpoint: dict, shield: Redactor, wait_s=None
) -> Answer:
    """An HTTP error as an answer to one request.

    Args:
        status: HTTP status.
        error: What the body holds under `error`: message, code, type.
        wait_s: How long the endpoint wants no calls.

    Raises:
        Trouble: it concerns more than this request.
    """
    error = error if isinstance(error, dict) else {"message": error}
    codes = {str(error.get("code")), str(error.get("type"))}
    said = shield.quote(str(error.get("message") or "no message"))
    if status in (400, 403) and codes & POLICY_CODES:
        return Answer("refused", f"the provider declined: {said}", served_model=request.model)
    if status in (401, 403):
        key = endpoint.get("key_env")
        way_out = f"check the key in the environment variable {key}" if key else "name its `key_env` in the config"
        raise EndpointError(f"did not accept the key (HTTP {status}); {way_out}", final=True, status=status) from None
    if status == 404 or codes & SETUP_CODES:
        way_out = "check the model's name, its options and `base_url`"
        message = f"cannot serve the model {request.model!r} (HTTP {status}: {said}); {way_out}"
        raise EndpointError(message, final=True, status=status) from None
    if status == 402 or codes & NO_CREDIT_CODES:
        raise EndpointError(f"has no credit left (HTTP {status}); top up the account", final=True) from None
    if status == 429:
        message = "still asks for fewer calls (lower its `in_flight`) (HTTP 429)"
        raise EndpointError(message, slow_down=True, wait_s=wait_s) from None
    if status in (408, 409) or status >= 500:
        raise EndpointError(f"is in trouble (HTTP {status})", wait_s=wait_s) from None
    return Answer("failed", f"the server turned the request down (HTTP {status}: {said})")


def unreadable(reason: str) -> EndpointError:
    """Trouble that ends as a failed answer, where asking again brings nothing better."""
    return EndpointError(reason, answer=Answer("failed", reason))


def usage_of(reply: dict, given: str, made: str) -> dict | None:
    """Token counts under our names, None where the server gave none."""
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = {"input_tokens": usage.get(given), "output_tokens": usage.get(made)}
    return counts if all(isinstance(count, int) for count in counts.values()) else None
