"""Report of a plan: a text table of the estimate with a total, notes, and the money spent so far."""

from detailscribe.operations.plan.ceiling import budget_sentence, spent_sentence
from detailscribe.operations.plan.estimate import REASONS, STARTS, Estimate, Line
from detailscribe.operations.plan.gpu_time import Seconds

HEADER = ["scenario", "stage", "name", "to do", "why", "GPU h", "from - to"]
HEADER += ["calls", "tokens in", "tokens out", "dollars"]


def plan_report(plan: Estimate) -> list[str]:
    """Lines of text: what is not known yet, the table, and spending against the budget."""
    sentences = (spent_sentence(plan.store), budget_sentence(plan.study, plan.study.llm_stages()))
    busy = any(line.reasons for line in plan.lines)
    if plan.notes and not busy:
        unknown = ["Nothing is known of this study yet, because its prompts are not in this folder:", *plan.notes]
        return [*unknown, *filter(None, sentences)]
    missing = ["Not counted below, because the prompts are not in this folder:", *plan.notes] if plan.notes else []
    return [*missing, *plan_table(plan), *plan.gpu_time.sentences(), *filter(None, sentences)]


def plan_table(plan: Estimate) -> list[str]:
    """The stages with work to do as lines of a table, with a total and what its marks mean."""
    busy = [line for line in plan.lines if line.reasons]
    gpu_unknown = any(line.gpu_s is None for line in busy)
    of_servers = [line for line in busy if line.calls or line.reasons[STARTS]]
    rows = [HEADER, *map(_row, busy), _total_row(busy, gpu_unknown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if any(line.gpu_s is None for line in busy if line not in of_servers):
        text.append(
            "GPU hours marked ? were not measured yet. Each job records its speeds in results/speeds.jsonl: generate a "
            "small scenario with the same image model and plan again, or set `plan: {step_s, load_s, score_s}` "
            "(`make bench-engine` measures the first two)."
        )
    if starts := sum(line.reasons[STARTS] for line in busy):
        text.append(_starts_sentence(plan, busy, starts, any(line.gpu_s is None for line in of_servers)))
    if any(line.reasons["estimate"] for line in busy):
        text.append("An estimate depends on outputs that do not exist yet; plan again when they do.")
    if bounded := sum(line.bounded_calls for line in busy):
        bound = sum(line.bound_usd for line in busy)
        text.append(
            f"The {bounded:,} calls with known requests and `max_tokens` cost at most {bound:.4f} dollars, "
            "unless calls are repeated after errors."
        )
    return text


def _starts_sentence(plan: Estimate, busy: list[Line], starts: int, unknown: bool) -> str:
    often = f"Jobs start a server of their own {starts} times, for each shard of a stage, critic, rewriter and judge"
    total_s = sum(line.gpu_s or 0.0 for line in busy)
    if unknown:
        return (
            f"{often}; for the GPU hours marked ?, set `plan: {{server_start_s, call_s}}` to what the pilot measured, "
            "and fewer `shards` for a smaller share of starts."
        )
    if not (plan.starts_gpu_s and total_s):
        return f"{often}; fewer `shards` make it fewer."
    share = f"{_hours(plan.starts_gpu_s)} of {_hours(total_s)} GPU hours ({plan.starts_gpu_s / total_s:.0%})"
    return f"{often}: {share}; half the `shards` halve that, and leave work for half as many GPUs."


def _row(line: Line) -> list[str]:
    why = ", ".join(f"{line.reasons[reason]} {reason}" for reason in REASONS if line.reasons[reason])
    return [
        line.scenario or "-",
        line.stage,
        line.name or "-",
        str(sum(line.reasons.values())),
        why,
        _hours(line.gpu_s),
        _range(line.gpu),
        f"{line.calls:,}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        f"{line.cost_usd:.4f}",
    ]


def _total_row(lines: list[Line], gpu_unknown: bool) -> list[str]:
    known = sum((line.gpu for line in lines if line.gpu), Seconds())
    hours = _hours(known.mean)
    return [
        *("total", "", ""),
        str(sum(sum(line.reasons.values()) for line in lines)),
        "",
        f"at least {hours}" if gpu_unknown else hours,
        _range(known),
        f"{sum(line.calls for line in lines):,}",
        f"{sum(line.input_tokens for line in lines):,}",
        f"{sum(line.output_tokens for line in lines):,}",
        f"{sum(line.cost_usd for line in lines):.4f}",
    ]


def _hours(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds / 3600:.3f}"


def _range(seconds: Seconds | None) -> str:
    """Hours at the speed of the fastest and of the slowest recorded job; empty where they do not differ."""
    if seconds is None or seconds.fastest == seconds.slowest:
        return ""
    return f"{_hours(seconds.fastest)} - {_hours(seconds.slowest)}"
