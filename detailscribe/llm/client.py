"""LLM client: deduplicated concurrent requests, each answer recorded as it arrives, with record and replay modes.

`live` requests what the store does not hold; `replay` never makes a request and needs no network and no key.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from detailscribe.errors import InputError, SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.endpoints import is_offline
from detailscribe.llm.live import LiveRequests
from detailscribe.llm.model_names import model_mismatch
from detailscribe.llm.request import Reply, Request
from detailscribe.llm.served.identity import unknown_weights
from detailscribe.llm.served.servers import Servers
from detailscribe.llm.spending.budget import Budget

NAMED = 3  # missing exchanges that an error lists


class AnswerCheck(Protocol):
    """What answers must hold for their reader, besides a text."""

    def is_usable(self, reply: Reply) -> bool:
        """Whether a recorded reply holds it; a reply that is no answer counts as usable."""

    def __call__(self, request: Request, reply: Reply) -> str:
        """Why no more calls should be made to the request's endpoint, in words that continue its name; else empty.

        Called once with each request and its reply.
        """


class Chat:
    """The exchange store and the endpoints behind it.

    Args:
        endpoints: By name: `kind` (openai, offline, or one whose server a job starts), `base_url`, `key_env` (empty: no
            key), `in_flight` (concurrent calls of all jobs on this machine), `requests_per_minute`, `tokens_per_minute`
            (0: no limit), `batch` (use the Batch API), `timeout_s` (per call), `max_retries`, prices
            (`prices.prices_of`).
        store: Folder of the exchanges.
        mode: live or replay.
        budget_usd: Dollars that the store's exchanges may cost in total; None for no limit.
        allow_served: Per requested model, other models that may answer in its place.
        say: Called with a sentence that the user should see.
        servers: Starts the servers of endpoints that have none.

    Attributes:
        answered: Digests of the exchanges used so far, in the order of the requests.
    """

    def __init__(
        self,
        endpoints: dict[str, dict],
        store: Path,
        mode: str,
        budget_usd: float | None = None,
        allow_served: dict[str, list[str]] | None = None,
        say: Callable[[str], None] | None = None,
        servers: Servers | None = None,
    ):
        if mode not in ("live", "replay"):
            raise InputError(f"exchanges must be live or replay, got {mode!r}")
        self.endpoints, self.store, self.mode = endpoints, Path(store), mode
        self._budget_usd, self._allow_served, self._say = budget_usd, allow_served or {}, say
        self._servers = servers or Servers(say)
        self.answered: dict[str, None] = {}

    def ask(
        self,
        requests: list[Request],
        on_done: Callable[[], None] | None = None,
        check: AnswerCheck | None = None,
    ) -> list[Reply]:
        """Replies to requests, in the same order; identical requests are made once.

        Args:
            on_done: Called once per finished request, for a progress bar.
            check: What answers must hold, in live mode. A recorded one that does not is asked for again, and kept in
                the store's folder `replaced/`.

        Raises:
            InputError: a request names an endpoint that the config does not have.
            SetupError: replay lacks an exchange; a key is missing; another model answered than was requested; `check`
                stops the calls; or an endpoint left requests unanswered, which is raised after all other answers were
                recorded.
        """
        by_digest: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            if request.endpoint not in self.endpoints:
                known = ", ".join(sorted(self.endpoints))
                raise InputError(f"{request.role}: endpoint {request.endpoint!r} is not in the config; known: {known}")
            by_digest[request.digest].append(request)
        replies: dict[str, Reply] = {}

        def finish(reply: Reply) -> None:
            replies[reply.digest] = reply
            for _ in by_digest[reply.digest]:
                if on_done:
                    on_done()

        def problem_of(request: Request, reply: Reply) -> str:
            problem = self._mismatch(request, reply)
            return problem or (check(request, reply) if check and self.mode == "live" else "")

        missing, damaged, recorded = [], 0, []
        for digest, (request, *_) in by_digest.items():
            try:
                reply = exchange_store.recorded_reply(self.store, digest)
            except ValueError:
                reply, damaged = None, damaged + 1
            if reply is not None and check and self.mode == "live" and not check.is_usable(reply):
                exchange_store.replace_exchange(self.store, digest)
                reply = None
            if reply is not None:
                recorded.append((request, reply))
            if reply is None or (reply.status not in exchange_store.ANSWERED and self.mode == "live"):
                missing.append(request)
            elif problem := problem_of(request, reply):
                raise SetupError(f"Endpoint {request.endpoint!r} {problem} (exchange {digest}).")
            else:
                finish(reply)
        if missing and self.mode == "replay":
            found = {request.endpoint for request, _ in recorded}
            raise SetupError(self._missing_message(missing, len(by_digest), damaged, found))
        if missing:
            endpoints = self.endpoints | self._servers.serve(self.endpoints, missing)
            with Budget(self.store, self._budget_usd, self._say) as budget:
                live = LiveRequests(endpoints, self.store, budget, problem_of, finish, recorded)
                asyncio.run(live.run(missing))
        self.answered |= dict.fromkeys(by_digest)
        return [replies[request.digest] for request in requests]

    def _missing_message(self, missing: list[Request], total: int, damaged: int, found: set[str]) -> str:
        listed = "; ".join(
            f"{each.digest} ({each.role} {each.fields.get('id', '')}".rstrip() + ")" for each in missing[:NAMED]
        )
        more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        damage = f", {damaged} of them damaged" if damaged else ""
        first = {request.endpoint: request for request in reversed(missing) if request.endpoint not in found}
        unknown = [unknown_weights(name, self.endpoints[name], each.served) for name, each in first.items()]
        remedy = "unpack the study's exchanges there, or set `exchanges: live` to request them"
        if reasons := [reason for reason in unknown if reason]:
            remedy = (
                f"{'; '.join(reasons)}: put the weights there or set `model` to their place, or unpack the archive, "
                "which holds the records of commits, again; a replay reads no more of them than that"
            )
        return f"{len(missing)} of {total} exchanges are missing in {self.store}{damage}: {listed}{more}; {remedy}."

    def _mismatch(self, request: Request, reply: Reply) -> str:
        if self.mode == "replay" or is_offline(self.endpoints[request.endpoint]):
            return ""
        return model_mismatch(request.model, reply.served_model, self._allow_served)
