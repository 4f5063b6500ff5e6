"""Responses to answers: the JSON body of a chat completion or an image generation, of any shape.

`ServerReader` is the border: it owns the redactor, and every text of an Answer or an EndpointError about a response is
taken from a body that has passed it. The bytes as the server sent them are used for one purpose, the image itself.
"""

from collections.abc import Callable
from typing import Any

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.openai_api import images
from detailscribe.llm.openai_api.error_words import error_words
from detailscribe.llm.openai_api.http_errors import classify_http_error
from detailscribe.llm.openai_api.message_text import read_content, thinking_field
from detailscribe.llm.openai_api.vocabulary import BREAKS, CUTS, ENDS, is_filter, spelled
from detailscribe.llm.prices import output_limit
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.response_body import redacted_body

MAX_TOKENS = 10**9  # a count beyond it is no count
ERROR_FIELDS = ("error", "errors", "detail", "message", "msg", "base_resp")  # of an error without choices
SUCCESS = ("0", "200", "ok", "success")  # codes of an `error` that tells of none
THINKING_OFF = (
    "let the model answer without thinking (vLLM, SGLang: `chat_template_kwargs: {enable_thinking: false}` in its "
    "options, or no --reasoning-parser; llama-server: --reasoning-budget 0; Ollama: `reasoning_effort: none`)"
)


class ServerReader:
    """Reads the responses of one endpoint.

    Args:
        endpoint: Its config entry.
        redactor: Removes its secrets.
        download: Fetches an image that a response gives by its address.
    """

    def __init__(self, endpoint: dict, redactor: Redactor, download: Callable[[str], bytes]):
        self._endpoint, self._redactor, self._download = endpoint, redactor, download

    def answer(self, value: object, request: Request) -> Answer:
        """The answer in a response.

        Args:
            value: The response's JSON value, of any shape.

        Raises:
            EndpointError: it holds none. Its `fallback` is the failed answer, with the tokens that it cost.
        """
        body = redacted_body(value, self._redactor.redact)
        reply = _reply_object(body)
        usage = read_usage(reply.get("usage"))
        entries = _entries(reply, "choices" if request.kind == "chat" else "data")
        sent = _entries(_reply_object(value), "data") if request.kind == "image" else []
        place = images.image_place(sent)
        choice = entries[place] if entries else {}
        error = _error_in(reply, choice)
        if error is not None and not self._is_remark(reply, choice):
            return self._error_in_200(error, request, usage)
        if request.kind == "chat":
            return self._chat(body, reply, choice, usage, request)
        return self._image(sent[place] if sent else {}, body, reply, choice, usage, request)

    def _is_remark(self, reply: dict, choice: dict) -> bool:
        """Whether an error without status and code stands beside a reply that is whole."""
        message = choice.get("message")
        if not isinstance(message, dict) or spelled(choice.get("finish_reason")) not in ENDS:
            return False
        words = error_words([choice.get("error"), reply.get("error")], self._redactor)
        if words.is_moderation or not words.codes <= {*SUCCESS} or error_words(reply, self._redactor).status:
            return False
        return bool(read_content(message, self._redactor.redact)[0].strip())

    def _error_in_200(self, error: object, request: Request, usage: dict | None) -> Answer:
        status = error_words(error, self._redactor).status or 500
        return classify_http_error(status, error, request, self._endpoint, self._redactor, usage=usage)

    def _chat(self, body: object, reply: dict, choice: dict, usage: dict | None, request: Request) -> Answer:
        if not choice and (blocked := _blocked_prompt(reply)):
            choice = {"finish_reason": blocked, "stop_reason": "refusal"}
        message = choice.get("message")
        finish, native = (spelled(choice.get(name)) for name in ("finish_reason", "native_finish_reason"))
        is_filtered = is_filter(finish) or is_filter(native) or spelled(choice.get("stop_reason")) == "refusal"
        if not isinstance(message, dict):
            if isinstance(choice.get("text"), str):  # of a server that answers as to a plain completion
                message = {"content": choice["text"]}
            elif is_filtered:
                message = {}
            else:
                raise self._no_answer("the server's reply holds no message", body, usage)
        text, refusal = read_content(message, self._redactor.redact)
        if text.strip() and usage and not usage["output_tokens"]:
            usage = None  # no text is made of no tokens
        given = "length" if finish in CUTS else self._excerpt(choice.get("finish_reason"))
        shown = f"finish reason {given or 'not given'}"

        def made(status: str, reason: str = "") -> Answer:
            return Answer(
                status,
                reason,
                text if text.strip() else "",
                given,
                usage=usage,
                served_model=self._excerpt(reply.get("model")),
                body=body,
            )

        if refusal:
            return made("refused", f"the model declined: {self._excerpt(refusal)}")
        if is_filtered:
            by = "" if finish == "contentfilter" else f" ({shown})"
            return made("refused", f"the provider's content filter withheld the reply{by}")
        if finish in BREAKS or native in BREAKS - {"other"}:
            raise _retry(f"broke off its reply ({shown})", made("failed", f"the server broke off its reply ({shown})"))
        if text.strip():
            return made("ok")
        field = thinking_field(message)
        if field or finish in CUTS:  # another try would end alike
            where = f"; all text stands in `{field}`" if field else ""
            tokens = (usage or {}).get("output_tokens") or output_limit(request)
            cut = f"; cut off at {tokens} tokens: raise `max_tokens`" if finish in CUTS else ""
            remedy = (", or " if cut else "; ") + THINKING_OFF if field else ""
            return made("failed", f"the reply is empty{where}{cut}{remedy}")
        raise _retry(f"the reply is empty ({shown})", made("failed", f"the reply is empty ({shown})"))

    def _image(
        self, sent: dict, body: object, reply: dict, first: dict, usage: dict | None, request: Request
    ) -> Answer:
        model = self._excerpt(reply.get("model")) or request.model

        def made(status: str, reason: str = "", image: bytes | None = None) -> Answer:
            prompt = first.get("revised_prompt")
            text = prompt if isinstance(prompt, str) else ""
            return Answer(status, reason, text, usage=usage, served_model=model, image=image, body=body)

        finish = spelled(first.get("finish_reason"))
        reason = self._excerpt(images.safety_reason(reply, first))
        if reason or is_filter(finish):
            return made("refused", reason or "the provider's content filter withheld the image")
        try:
            data = images.image_bytes(sent, self._download)
        except (OSError, ValueError) as error:
            failed = made("failed", f"the image could not be read from the reply ({self._excerpt(str(error))})")
            raise _retry(failed.reason, failed) from None
        status, problem = images.image_problem(data)
        if status == "failed":
            failed = made(status, self._excerpt(problem))
            raise _retry(failed.reason, failed)
        return made(status, problem) if status else made("ok", image=data)

    def _no_answer(self, reason: str, body: object, usage: dict | None) -> EndpointError:
        return _retry(reason, Answer("failed", reason, usage=usage, body=body))

    def _excerpt(self, value: object) -> str:
        return self._redactor.excerpt(value) if isinstance(value, str) else ""


def read_usage(usage: object) -> dict | None:
    """Tokens of a call; None unless input and output are whole numbers of 0 to `MAX_TOKENS`.

    The output is what the total leaves for it where that is more: some providers leave the tokens of a model's
    thoughts out of `completion_tokens`, and bill them.
    """
    counts = _object(usage)
    sent = _count(counts.get("prompt_tokens", counts.get("input_tokens")))
    made = _count(counts.get("completion_tokens", counts.get("output_tokens")))
    if sent is None or made is None:
        return None
    return {"input_tokens": sent, "output_tokens": max(made, (_count(counts.get("total_tokens")) or 0) - sent)}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_TOKENS:
        return None
    return int(value) if value == int(value) else None


def _error_in(reply: dict, choice: dict) -> Any:
    """The error that a response of status 200 tells of; None if it tells of none."""
    for place, error in ((choice, choice.get("error")), (reply, reply.get("error"))):
        if isinstance(error, dict) and (not any(error.values()) or spelled(error.get("code")) in SUCCESS):
            continue
        if error:
            return error if place is choice else reply
    is_error = not choice and (spelled(reply.get("object")) == "error" or any(map(reply.get, ERROR_FIELDS)))
    return reply if is_error else None


def _blocked_prompt(reply: dict) -> str:
    """Why Gemini blocked the prompt itself; empty if it did not."""
    feedback = _object(reply.get("promptFeedback", reply.get("prompt_feedback")))
    reason = feedback.get("blockReason", feedback.get("block_reason"))
    return reason if isinstance(reason, str) else ""


def _retry(message: str, fallback: Answer) -> EndpointError:
    return EndpointError(message, fallback=fallback)


def _object(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _reply_object(body: object) -> dict:
    """A response as an object; some servers put it into a list."""
    return _object(body[0] if isinstance(body, list) and body else body)


def _entries(reply: dict, name: str) -> list[dict]:
    """Entries of a response's list, which may be one entry without its list."""
    value = reply.get(name)
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
