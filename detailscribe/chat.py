"""Asking models: every question at most once, many at a time, every answer kept the moment it arrives.

`live` asks for what the store does not hold; `replay` never asks and so needs no network and no key.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from detailscribe import exchanges
from detailscribe.errors import InputError, SetupError
from detailscribe.exchanges import Answer, Reply, Request
from detailscribe.providers import Trouble, provider_of

__all__ = ["Answer", "Chat", "Reply", "Request"]

PATIENCE = 20  # requests in a row without an answer before an endpoint is left alone
NAMED = 3  # missing exchanges that an error names


@dataclass
class _Line:
    """One endpoint during one `ask`."""

    provider: object
    slots: asyncio.Semaphore
    asked: int
    left: int = 0
    in_a_row: int = 0
    closed: bool = False
    troubles: list[str] = field(default_factory=list)


class Chat:
    """The store and the endpoints behind it.

    Args:
        endpoints: By name: `kind` (openai or offline), `base_url`, `key_env` (empty: no key), `in_flight` (calls at
            once), `timeout_s`, `max_retries`, `input_usd_per_million`, `output_usd_per_million`.
        store: Folder of the exchanges.
        mode: live or replay.
    """

    def __init__(self, endpoints: dict[str, dict], store: Path, mode: str):
        if mode not in ("live", "replay"):
            raise InputError(f"exchanges must be live or replay, got {mode!r}")
        self.endpoints, self.store, self.mode = endpoints, Path(store), mode

    def ask(self, requests: list[Request], on_done: Callable[[], None] | None = None) -> list[Reply]:
        """Reply to each request, in their order; identical requests are asked once.

        Args:
            on_done: Called once a finished request, for a progress bar.

        Raises:
            InputError: a request names an endpoint that the config does not have.
            SetupError: replay lacks an exchange; a key is missing; or an endpoint left requests unanswered, which is
                raised after every other request was answered and recorded.
        """
        wanted: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            if request.endpoint not in self.endpoints:
                known = ", ".join(sorted(self.endpoints))
                raise InputError(f"{request.role}: endpoint {request.endpoint!r} is not in the config; known: {known}")
            wanted[request.digest].append(request)
        replies: dict[str, Reply] = {}

        def finish(reply: Reply) -> None:
            replies[reply.digest] = reply
            for _ in wanted[reply.digest]:
                if on_done:
                    on_done()

        missing, damaged = [], 0
        for digest, (request, *_) in wanted.items():
            try:
                kept = exchanges.read(self.store, digest)
            except ValueError:
                kept, damaged = None, damaged + 1
            if kept is None or (kept.status not in exchanges.ANSWERED and self.mode == "live"):
                missing.append(request)
            else:
                finish(kept)
        if missing and self.mode == "replay":
            raise SetupError(self._missing(missing, len(wanted), damaged))
        if missing:
            asyncio.run(self._ask_all(missing, finish))
        return [replies[request.digest] for request in requests]

    def _missing(self, missing: list[Request], of: int, damaged: int) -> str:
        named = "; ".join(
            f"{each.digest} ({each.role} {each.fields.get('id', '')}".rstrip() + ")" for each in missing[:NAMED]
        )
        more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        spoilt = f", {damaged} of them damaged" if damaged else ""
        return (
            f"{len(missing)} of {of} exchanges are missing in {self.store}{spoilt}: {named}{more}; "
            "unpack the study's exchanges there, or set `exchanges: live` to ask for them."
        )

    async def _ask_all(self, missing: list[Request], finish: Callable[[Reply], None]) -> None:
        lines: dict[str, _Line] = {}
        tasks = []
        try:
            for request in missing:
                if request.endpoint not in lines:
                    endpoint = self.endpoints[request.endpoint]
                    slots = asyncio.Semaphore(max(1, endpoint["in_flight"]))
                    lines[request.endpoint] = _Line(provider_of(request.endpoint, endpoint), slots, 0)
                lines[request.endpoint].asked += 1
            tasks = [asyncio.create_task(self._ask_one(each, lines[each.endpoint], finish)) for each in missing]
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for line in lines.values():
                await line.provider.close()
        stuck = [
            f"Endpoint {name!r} {line.troubles[0]}; {line.left} of {line.asked} calls are left, "
            "what was answered is kept: run again."
            for name, line in lines.items()
            if line.left
        ]
        if stuck:
            raise SetupError(" ".join(stuck))

    async def _ask_one(self, request: Request, line: _Line, finish: Callable[[Reply], None]) -> None:
        async with line.slots:
            if line.closed:
                line.left += 1
                return
            try:
                answer = await (line.provider.image if request.kind == "image" else line.provider.chat)(request)
            except Trouble as trouble:
                line.left, line.in_a_row = line.left + 1, line.in_a_row + 1
                line.troubles.insert(0 if trouble.final else len(line.troubles), str(trouble))
                if trouble.final or line.in_a_row >= PATIENCE:
                    line.closed = True
                return
            line.in_a_row = 0
            finish(exchanges.record(self.store, request, answer, self.endpoints[request.endpoint]))
