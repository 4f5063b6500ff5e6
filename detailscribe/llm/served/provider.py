"""Provider of a served model: the OpenAI-compatible client, whose errors tell what became of the job's own server."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.model_names import is_same_model
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.served import startup
from detailscribe.llm.served.server_log import is_out_of_memory, shown
from detailscribe.llm.served.servers import MEMORY_REMEDY, RUNNING

DEATH_S = 2.0  # within which a server that lost its connections has ended


class ServedProvider(OpenAIProvider):
    """Client of a server that this job started.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry, with the address and the key of the running server (`Servers.serve`).

    Attributes:
        log_note: Where the server's log is, to append to a message.

    Raises:
        SetupError: there is no such server.
    """

    def __init__(self, name: str, endpoint: dict):
        if endpoint.get("base_url") not in RUNNING:
            raise SetupError(f"Endpoint {name!r}: a job starts its server; there is none here.")
        super().__init__(name, endpoint)
        self._server = RUNNING[endpoint["base_url"]]
        self.log_note = f" (log of its server: {self._server.log})"

    async def answer(self, request: Request) -> Answer:
        """Send a request once.

        Raises:
            EndpointError: no answer; not retryable if the server has ended, hangs, or answers as another model.
        """
        name = self._server.served_name
        try:
            answer = await super().answer(replace(request, model=name))
        except EndpointError as error:
            raise await asyncio.to_thread(self._explained, error) from None
        if answer.served_model and not is_same_model(name, answer.served_model):  # not recorded: it cost nothing
            raise EndpointError(
                f"answered as {shown(answer.served_model, startup.SHOWN_LENGTH)!r}, but serves {name!r}",
                retryable=False,
            )
        return _renamed(answer, name, request.model)

    def _explained(self, error: EndpointError) -> EndpointError:
        """The error, or what became of the server if that is its cause."""
        if error.status or error.fallback:
            return error
        if startup.is_healthy(self._server.program, self._server.port.number, self._server.key):
            return error
        deadline = time.monotonic() + DEATH_S
        while not (ending := self._server.process.ending()) and time.monotonic() < deadline:
            time.sleep(0.05)
        ending = ending or f"hangs: it {error}, and does not say that it is healthy"
        remedy = f"; {MEMORY_REMEDY}" if is_out_of_memory(self._server.log) else ""
        message = f"has lost its server: {self._server.program} {ending} {self._server.excerpt()}{remedy}"
        return EndpointError(message, retryable=False, may_be_billed=error.may_be_billed)


def _renamed(answer: Answer, name: str, model: str) -> Answer:
    """The answer of a server that cannot be told a name, under the requested one; no path of this machine is kept."""
    if not answer.served_model or name == model:
        return answer
    body = answer.body
    if Path(name).is_absolute() and isinstance(body, dict) and "model" in body:
        body = {**body, "model": model}
    return replace(answer, served_model=model, body=body)
