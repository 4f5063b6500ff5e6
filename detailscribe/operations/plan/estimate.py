"""Estimate of a run: what each stage would do and why, with GPU time, calls, tokens and dollars."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from detailscribe.engines.machine.speeds import STEP
from detailscribe.llm.prices import cost_usd, estimate_input_tokens, prices_of
from detailscribe.llm.request import Request
from detailscribe.llm.served.kinds import is_served, needs_gpu
from detailscribe.llm.spending.bounds import call_bound, output_limit
from detailscribe.llm.spending.spend_log import read_spending
from detailscribe.operations.plan.gpu_time import GpuTime, Seconds
from detailscribe.study.study import Study

LOADS, STARTS = "load", "server start"
REASONS = ("new", "changed prompt", "changed parameter", "missing file", "estimate", LOADS, STARTS)
IMAGES_SHOWN = {"judge_pair": 2}  # by the role of a request that shows more than one
UNKNOWN_INPUT_TOKENS = 1000  # of a request of which nothing is known: an instruction and perhaps an image


@dataclass
class Line:
    """What one stage would do. `reasons` counts its units of work (calls, images, scores, loads ...) by reason."""

    scenario: str
    stage: str
    name: str
    reasons: Counter = field(default_factory=Counter)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    bounded_calls: int = 0  # whose requests are known, with a limit of their output
    bound_usd: float = 0.0  # the most that these can cost
    gpu: Seconds | None = Seconds()  # None if unknown

    @property
    def gpu_s(self) -> float | None:
        """GPU seconds by the mean speed; None if unknown."""
        return None if self.gpu is None else self.gpu.mean

    def add_gpu_time(self, seconds: Seconds | None) -> None:
        """Add GPU time; if it is unknown, so is that of the line."""
        self.gpu = None if seconds is None or self.gpu is None else self.gpu + seconds


class Estimate:
    """Work of all stages: calls priced from recorded token counts, images and scores timed by recorded speeds.

    Args:
        study: The study.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
        store: Folder of the exchanges.
    """

    def __init__(
        self,
        study: Study,
        parameters: dict[str, dict],
        results: Path = Path("results"),
        store: Path = Path("resources/exchanges"),
    ):
        self.study, self.parameters, self.results, self.store = study, parameters, results, store
        self.gpu_time = GpuTime(results, study.config["plan"])
        self._tokens: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for row in read_spending(store):
            if "output_tokens" in row:
                self._tokens[row["role"], row["model"]].append((row["input_tokens"], row["output_tokens"]))
        self.started: set[tuple[str, str]] = set()  # (stage, name) whose jobs start servers
        self.starts_gpu_s = 0.0  # GPU seconds of these starts, where known
        self.lines: list[Line] = []
        self.notes: list[str] = []

    def line(self, scenario: str, stage: str, name: str = "") -> Line:
        """The line of a stage; a new one if there is none."""
        for line in self.lines:
            if (line.scenario, line.stage, line.name) == (scenario, stage, name):
                return line
        self.lines.append(Line(scenario, stage, name))
        return self.lines[-1]

    def add_call(self, line: Line, request: Request, reason: str) -> None:
        """Add a call whose request is known. Its output counts with at most the limit of the request's options."""
        tokens = self._mean_tokens(request.role, request.model) or (
            estimate_input_tokens(request),
            self.study.config["plan"]["output_tokens"],
        )
        self._add_tokens(line, request.endpoint, request.model, _limited(tokens, request.options), reason)
        bound = call_bound(request, self.study.config["endpoints"][request.endpoint])
        if bound.certain and bound.amount_usd:
            line.bounded_calls += 1
            line.bound_usd += bound.amount_usd

    def add_server_start(self, scenario: str, stage: str, name: str, endpoint: str, calls: int) -> None:
        """Add the server that a job starts for some calls, if it starts one; the GPU time of the calls to their line.

        Args:
            scenario, stage, name: Of the calls' line. The start has one of its own.
            endpoint: That they go to.
            calls: Of one job.
        """
        entry, assumed = self.study.config["endpoints"][endpoint], self.study.config["plan"]
        if not (calls and is_served(entry)):
            return
        line = self.line(scenario, stage, f"{name} server".strip())
        line.reasons[STARTS] += 1
        self.started.add((stage, name))
        if gpus := needs_gpu(entry):
            start_s, call_s = assumed.get("server_start_s"), assumed.get("call_s")
            self.starts_gpu_s += gpus * (start_s or 0.0)
            line.add_gpu_time(None if start_s is None else Seconds.exactly(gpus * start_s))
            asking = self.line(scenario, stage, name)  # `call_s` is of all calls in flight together, at `in_flight`
            asking.add_gpu_time(None if call_s is None else Seconds.exactly(gpus * calls * call_s))

    def add_unknown_call(self, line: Line, role: str, endpoint: str, model: str, options: dict | None = None) -> None:
        """Add a call whose inputs do not exist yet; `options` are those of its request, if they are known."""
        tokens = self._mean_tokens(role, model) or (
            line.input_tokens / line.calls if line.calls else UNKNOWN_INPUT_TOKENS * IMAGES_SHOWN.get(role, 1),
            self.study.config["plan"]["output_tokens"],
        )
        self._add_tokens(line, endpoint, model, _limited(tokens, options or {}), "estimate")

    def add_images(self, line: Line, count: int, reason: str, work: list[tuple[dict, int]]) -> None:
        """Add images to generate.

        Args:
            work: Denoising steps of all of them, with what the seconds of a step depend on (`image_speed_key`).
        """
        line.reasons[reason] += count
        for key, steps in work:
            line.add_gpu_time(self.gpu_time.of(STEP, key, steps))

    def _mean_tokens(self, role: str, model: str) -> tuple[float, float] | None:
        recorded = self._tokens.get((role, model))
        if not recorded:
            return None
        inputs, outputs = zip(*recorded, strict=True)
        return sum(inputs) / len(recorded), sum(outputs) / len(recorded)

    def _add_tokens(self, line: Line, endpoint: str, model: str, tokens: tuple[float, float], reason: str) -> None:
        line.reasons[reason] += 1
        entry = self.study.config["endpoints"][endpoint]
        if entry["kind"] == "offline":
            return
        usage = dict(zip(("input_tokens", "output_tokens"), tokens, strict=True))
        line.calls += 1
        line.input_tokens += round(usage["input_tokens"])
        line.output_tokens += round(usage["output_tokens"])
        line.cost_usd += cost_usd(usage, prices_of(entry, model)) or 0.0


def _limited(tokens: tuple[float, float], options: dict) -> tuple[float, float]:
    """Input and output tokens, the latter within the limit of the options: recorded means may be of other requests."""
    limit = output_limit(options, {}, "")
    return tokens[0], min(tokens[1], limit) if limit else tokens[1]
