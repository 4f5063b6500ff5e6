"""Adding up a plan: how much of what, why, and what it would cost."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from detailscribe.engines.step_times import seconds_per_step
from detailscribe.images.image_set import ImageRequest
from detailscribe.llm.prices import cost_usd, estimate_input_tokens, prices_of
from detailscribe.llm.request import Request
from detailscribe.llm.spend_log import read_spending
from detailscribe.study.study import Study

REASONS = ("new", "changed prompt", "changed parameter", "missing file", "estimate")
GUESSED_INPUT = 1000  # tokens of a question that nothing is known of yet: an instruction and perhaps an image


@dataclass
class Item:
    """What a stage would do."""

    scenario: str
    stage: str
    name: str
    reasons: Counter = field(default_factory=Counter)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    gpu_s: float | None = 0.0  # None where nobody knows


class Estimate:
    """What stages would do, calls at recorded tokens and configured prices, images at the speed measured here.

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
        self._usage = defaultdict(list)
        for row in read_spending(store):
            if "output_tokens" in row:
                self._usage[row["role"], row["model"]].append((row["input_tokens"], row["output_tokens"]))
        self.items: list[Item] = []
        self.notes: list[str] = []

    def item(self, scenario: str, stage: str, name: str) -> Item:
        """The line of a stage."""
        key = scenario, stage, name
        for item in self.items:
            if (item.scenario, item.stage, item.name) == key:
                return item
        self.items.append(Item(*key))
        return self.items[-1]

    def call(self, item: Item, request: Request, reason: str) -> None:
        """Add a call whose request is known."""
        mean = self._mean(request.role, request.model)
        output = mean[1] if mean else self.study.config["plan"]["output_tokens"]
        self._add(item, request.endpoint, request.model, mean[0] if mean else estimate_input_tokens(request), output, reason)

    def guess(self, item: Item, role: str, asked: tuple[str, str]) -> None:
        """Add a call whose request hangs on something that is not made yet."""
        endpoint, model = asked
        given = item.input_tokens / item.calls if item.calls else GUESSED_INPUT
        mean = self._mean(role, model) or (given, self.study.config["plan"]["output_tokens"])
        self._add(item, endpoint, model, *mean, "estimate")

    def draw(self, item: Item, image_requests: list[ImageRequest], reason: str, steps: int, key: dict) -> None:
        """Add images to draw."""
        item.reasons[reason] += len(image_requests)
        seconds = seconds_per_step(self.results, key) or self.study.config["plan"]["step_s"]
        self._take(item, seconds, steps)

    def score(self, item: Item, images: int, reason: str, seconds: float | None) -> None:
        """Add images to score."""
        if images:
            item.reasons[reason] += images
            self._take(item, seconds or self.study.config["plan"]["score_s"], images)

    def _take(self, item: Item, seconds: float | None, times: int) -> None:
        item.gpu_s = None if seconds is None or item.gpu_s is None else item.gpu_s + seconds * times

    def _mean(self, role: str, model: str) -> tuple[float, float] | None:
        seen = self._usage.get((role, model))
        return tuple(sum(side) / len(seen) for side in zip(*seen, strict=True)) if seen else None

    def _add(self, item: Item, endpoint: str, model: str, given: float, made: float, reason: str) -> None:
        item.reasons[reason] += 1
        entry = self.study.config["endpoints"][endpoint]
        if entry["kind"] == "offline":
            return
        usage = {"input_tokens": given, "output_tokens": made}
        item.calls += 1
        item.input_tokens, item.output_tokens = item.input_tokens + round(given), item.output_tokens + round(made)
        item.cost_usd += cost_usd(usage, prices_of(entry, model)) or 0.0


def plan_text(plan: Estimate) -> list[str]:
    """A plan as lines of a table, with a total."""
    header = ["scenario", "stage", "name", "to do", "why", "GPU h", "calls", "tokens in", "tokens out", "dollars"]
    lines, gpu_unknown = [header], False
    busy = [item for item in plan.items if item.reasons]
    for item in busy:
        why = ", ".join(f"{item.reasons[reason]} {reason}" for reason in REASONS if item.reasons[reason])
        gpu_unknown |= item.gpu_s is None
        lines.append(
            [
                item.scenario or "-",
                item.stage,
                item.name or "-",
                str(sum(item.reasons.values())),
                why,
                _hours(item.gpu_s),
            ]
            + [f"{item.calls:,}", f"{item.input_tokens:,}", f"{item.output_tokens:,}", f"{item.cost_usd:.4f}"]
        )
    total = [sum(getattr(item, name) for item in busy) for name in ("calls", "input_tokens", "output_tokens")]
    hours = sum(item.gpu_s or 0.0 for item in busy)
    lines.append(
        ["total", "", "", str(sum(sum(item.reasons.values()) for item in busy)), ""]
        + [("at least " if gpu_unknown else "") + _hours(hours), *(f"{each:,}" for each in total)]
        + [f"{sum(item.cost_usd for item in busy):.4f}"]
    )
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if gpu_unknown:
        text.append("GPU hours marked ? were not measured here yet; set `plan: {step_s, score_s}`, or draw one image.")
    if any(item.reasons["estimate"] for item in busy):
        text.append("An estimate hangs on something that is not made yet; plan again when it is.")
    return [*text, *plan.notes]


def _hours(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds / 3600:.3f}"
