"""Response parsing: the JSON body of a chat completion or an image generation to an Answer."""

import base64
import binascii
import io
from collections.abc import Callable

from PIL import Image

from detailscribe.llm.endpoint_error import EndpointError, unparseable_response
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.request import Answer, Request, image_format
from detailscribe.llm.response_body import redacted_body


def parse_chat_response(body: object, redactor: Redactor) -> Answer:
    """The answer in a chat completion.

    Raises:
        EndpointError: it holds none; a retry may help.
    """
    reply = body if isinstance(body, dict) else {}
    choice = _first_object(reply.get("choices"))
    message = choice.get("message")
    if not isinstance(message, dict):
        raise unparseable_response("the server's reply holds no message", redacted_body(body, redactor.redact))
    finish_reason, content, refusal = (
        str(choice.get("finish_reason") or ""),
        message.get("content"),
        message.get("refusal"),
    )
    text = redactor.redact(content) if isinstance(content, str) else ""
    status, reason = "ok", ""
    if refusal or finish_reason == "content_filter":
        status = "refused"
        reason = f"the model declined: {refusal}" if refusal else "the provider's content filter withheld the reply"
        reason = redactor.excerpt(reason)
    elif not text.strip():
        status, text = "failed", ""
        reason = f"the reply is empty (finish reason {finish_reason or 'not given'})"
    answer = Answer(
        status,
        reason,
        text,
        finish_reason,
        usage=_usage(reply, "prompt_tokens", "completion_tokens"),
        served_model=redactor.excerpt(str(reply.get("model") or "")),
        body=redacted_body(body, redactor.redact),
    )
    if status == "failed" and finish_reason != "length":  # a retry would reach the same length
        raise EndpointError(reason, fallback=answer)
    return answer


def parse_image_response(
    body: object, request: Request, redactor: Redactor, download: Callable[[str], bytes]
) -> Answer:
    """The answer in an image generation.

    Args:
        download: Fetches an image that the response gives by URL.

    Raises:
        EndpointError: it holds no image; a retry may help.
    """
    reply = body if isinstance(body, dict) else {}
    first = _first_object(reply.get("data"))
    try:
        encoded = first.get("b64_json")
        data = base64.b64decode(encoded, validate=True) if encoded else download(str(first.get("url")))
    except (OSError, ValueError, TypeError, binascii.Error) as error:
        raise unparseable_response(redactor.excerpt(f"the image could not be read from the reply ({error})")) from None
    if image_format(data) is None:
        raise unparseable_response("the reply's image is not a PNG, JPEG, GIF or WebP file")
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise unparseable_response(redactor.excerpt(f"the reply's image is broken ({error})")) from None
    return Answer(
        "ok",
        text=redactor.redact(str(first.get("revised_prompt") or "")),
        usage=_usage(reply, "input_tokens", "output_tokens"),
        served_model=redactor.excerpt(str(reply.get("model") or request.model)),
        image=data,
        body=redacted_body(body, redactor.redact),
    )


def _first_object(value: object) -> dict:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}


def _usage(reply: dict, input_name: str, output_name: str) -> dict | None:
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = {"input_tokens": usage.get(input_name), "output_tokens": usage.get(output_name)}
    return counts if all(isinstance(count, int) for count in counts.values()) else None
