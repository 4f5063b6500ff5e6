"""Batches of a served model: the requests of a job go through `vllm run-batch`, each answer becomes an exchange.

The exchanges are those of a running server: the same digests, the same reading of answers and errors. An answer is
recorded as soon as it is in the file, so that a batch that fails keeps what it answered.
"""

import asyncio
import re
import time
from collections import deque
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.kept_process import KeptProcess
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.model_names import is_same_model
from detailscribe.llm.openai_api.batch_api import Batches
from detailscribe.llm.openai_api.batch_files import request_line
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.served import startup
from detailscribe.llm.served.batch_program import PROGRAMS, BatchFiles, BatchProgram, remove_leftovers
from detailscribe.llm.served.kinds import DEFAULT_START_TIMEOUT_S, batch_command
from detailscribe.llm.served.server_log import (
    is_batch_running,
    is_engine_dead,
    is_out_of_memory,
    last_line,
    log_head,
    log_size,
    quoted_reason,
    server_redactor,
    shown,
)
from detailscribe.llm.served.servers import MEMORY_REMEDY, PROGRESS_S

MAX_REQUESTS, MAX_BYTES = 50_000, 2**33  # of one batch, on the disk; vLLM reads it line by line
MAX_NAMED = 3  # statuses of useless lines
HEAD_BYTES = 2**18  # of a log, in which the version is
VERSION = re.compile(rb"batch processing API version ([\w.+-]+)")
FIRST_POLL_S, POLL_S = 0.05, 1.0


class RunBatchProvider(OpenAIProvider):
    """Reader of the answers of `vllm run-batch`; it makes no call.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry (`Servers.serve`).

    Raises:
        SetupError: no job runs the batches of this endpoint.
    """

    def __init__(self, name: str, endpoint: dict):
        if endpoint.get("base_url") not in PROGRAMS:
            raise SetupError(f"Endpoint {name!r}: a job runs its batches; there is none here.")
        super().__init__(name, endpoint)
        self.program = PROGRAMS[endpoint["base_url"]]
        self.log_note = f" (log: {self.program.log})"


class RunBatches(Batches):
    """The batches of one endpoint during a run. Arguments as for `Batches`; its provider is a RunBatchProvider."""

    async def run(self) -> None:
        """Answer every request that can be; unusable answers are asked for once more, if `max_retries` allows it.

        Raises:
            EndpointError: requests stay unanswered.
            BudgetExceededError: a batch could exceed the budget.
            OSError: an answer could not be recorded, or the requests could not be written.
        """
        for name in remove_leftovers(self._store):
            self._budget.release_batch(name)
        runs = 1 + min(1, self._provider.endpoint["max_retries"])
        for _ in range(runs):
            waiting = deque(self._unanswered.values())
            while waiting and not self._state.closed:
                with BatchFiles(self._store) as files:
                    requests = await self._write(files.requests, waiting)
                    if requests:
                        await self._run(files, requests)
        for digest, request in list(self._unanswered.items()):
            if unusable := self._unusable[digest]:
                self._keep(request, self._with_tries(digest, unusable[-1]))
        if self._unanswered and not self._state.closed:
            lines = "; ".join(self._useless_lines())
            raise EndpointError(
                f"left {len(self._unanswered)} requests without an answer in vllm run-batch"
                + (f" ({lines})" if lines else "")
            )

    async def _write(self, path: Path, waiting: deque[Request]) -> list[Request]:
        """Write requests to a file and remove them from those that wait, up to the limits of a batch."""
        written: list[Request] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while waiting and len(written) < MAX_REQUESTS and file.tell() < MAX_BYTES:
                request = waiting.popleft()
                try:
                    line = await asyncio.to_thread(request_line, request)
                except (InputError, OSError) as error:  # an image that is none, or is gone
                    self._keep(request, Answer("failed", str(error), billed=False))
                    continue
                file.write(line)
                written.append(request)
        return written

    async def _run(self, files: BatchFiles, requests: list[Request]) -> None:
        await self._budget.reserve_batch(files.name, requests, self._provider.endpoint)
        try:
            process = self._program.start(files)
            try:
                await self._watch(process, files, requests)
            finally:
                process.stop()
        finally:
            self._budget.release_batch(files.name)
        for request in requests:
            self._state.close_if_suspect(request)

    async def _watch(self, process: KeptProcess, files: BatchFiles, requests: list[Request]) -> None:
        """Keep the answers of a running batch until it has ended.

        Raises:
            EndpointError: it failed, hangs, is of another version, or answers as another model.
        """
        program = self._program
        program.say(
            f"Endpoint {program.name!r}: starting vllm run-batch with {program.model} for {len(requests)} requests "
            f"(log: {program.log})"
        )
        started = changed = said = time.monotonic()
        version, size = "", (0, 0)
        while True:
            ending = process.ending()
            version = version or self._checked_version()
            if problems := self._read_lines(files.new_lines(bool(ending)), files.name):
                raise problems[0]
            if ending:
                break
            now, seen = time.monotonic(), (log_size(program.log), files.size())
            changed, size = (now, seen) if seen != size else (changed, size)
            if now - changed > (limit_s := self._limit_s(seen[1])):
                raise EndpointError(
                    f"hangs: vllm run-batch wrote neither an answer nor a line in {limit_s:g} s "
                    f"{quoted_reason(program.log, server_redactor())}",
                    retryable=False,
                )
            if now - said >= PROGRESS_S:
                said = now
                files.touch()
                line = last_line(program.log, server_redactor())
                program.note(f"Endpoint {program.name!r}: vllm run-batch has run for {now - started:.0f} s: {line}")
            await asyncio.sleep(FIRST_POLL_S if now - started < POLL_S else POLL_S)
        left = sum(request.digest in self._unanswered for request in requests)
        if left and process.exit_status == 0 and is_engine_dead(program.log):  # before 0.33
            raise self._failure(process, "lost its engine")
        if left and process.exit_status != 0:
            raise self._failure(process, ending)
        unknown = "" if version else f"; it does not tell its version, which counts as {program.endpoint['version']}"
        lines = "".join(f"; {words}" for words in self._useless_lines())
        program.say(
            f"Endpoint {program.name!r}: vllm run-batch {ending} after {time.monotonic() - started:.0f} s, "
            f"{len(requests) - left} of {len(requests)} requests are answered{unknown}{lines}"
        )

    def _useless_lines(self) -> list[str]:
        """What is wrong with the lines that brought nothing, in words."""
        unread = [f"{self._ignored} lines could not be read or belong to no request"] if self._ignored else []
        statuses = ", ".join(status for status, _ in self._unclear.most_common(MAX_NAMED))
        count = self._unclear.total()
        return unread + ([f"{count} lines have neither an answer nor an error ({statuses})"] if count else [])

    def _keep_read(self, request: Request, answer: Answer, batch: str) -> None:
        name = self._program.model
        if answer.served_model and not is_same_model(name, answer.served_model):  # not recorded: it cost nothing
            raise EndpointError(
                f"answered as {shown(answer.served_model, startup.SHOWN_LENGTH)!r}, but serves {name!r}",
                retryable=False,
            )
        super()._keep_read(request, answer, batch)

    def _checked_version(self) -> str:
        """The version in the log; empty if it is not there yet.

        Raises:
            EndpointError: another one than the endpoint's.
        """
        match = VERSION.search(log_head(self._program.log, HEAD_BYTES))
        found, wanted = (
            shown(match[1].decode(), startup.SHOWN_LENGTH) if match else "",
            self._program.endpoint["version"],
        )
        if found and not startup.is_version(wanted, found):
            raise EndpointError(f"runs vllm run-batch, which {startup.version_problem(wanted, found)}", retryable=False)
        return found

    def _limit_s(self, answer_bytes: int) -> float:
        """Seconds without a sign of life that count as hanging: of the start, or of a call once the batch runs."""
        endpoint = self._program.endpoint
        if answer_bytes or is_batch_running(self._program.log):
            return endpoint["timeout_s"]
        return endpoint.get("start_timeout_s", DEFAULT_START_TIMEOUT_S)

    def _failure(self, process: KeptProcess, ending: str) -> EndpointError:
        log = self._program.log
        if process.is_missing:
            command = batch_command(self._program.endpoint)[0]
            text = f"has no program {command!r}: it {ending}; install it where the job runs, or name it in `command`"
            return EndpointError(text, retryable=False)
        remedy = MEMORY_REMEDY if is_out_of_memory(log) else "correct that"
        text = f"did not finish its batch: vllm run-batch {ending} {quoted_reason(log, server_redactor())}; {remedy}"
        return EndpointError(text, retryable=False)

    @property
    def _program(self) -> BatchProgram:
        assert isinstance(self._provider, RunBatchProvider)
        return self._provider.program
