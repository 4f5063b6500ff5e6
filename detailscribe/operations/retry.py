"""Retry: outputs with failed rows, on request with unparsed or refused ones, are removed, to be made again."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.rows import read_rows
from detailscribe.llm.exchange_store import REPLACED, replace_exchange
from detailscribe.operations.costs import exchanges_of
from detailscribe.operations.outputs import made_from_exchange, outputs_of, remove_damaged_outputs, remove_outputs_if
from detailscribe.study.stages import USABLE

RETRIED = ("failed", "unparsed", "refused")  # statuses of rows that may be made again
ANSWERS = ("unparsed", "refused")  # of rows that were made from an answer, which is kept and would be read again


def remove_for_retry(
    results: Path,
    scenarios: Iterable[str],
    statuses: Collection[str] = ("failed",),
    store: Path | None = None,
    mode: str = "live",
) -> list[str]:
    """Remove damaged outputs, and outputs with a row of one of the statuses; the next run makes these rows again.

    The other rows are kept: they are made again from what is recorded. Answers behind unparsed and refused rows are
    moved to the store's folder `replaced/`, unless a row that is ok was made from the same answer.

    Args:
        statuses: Some of `RETRIED`.
        store: Folder of the exchanges.
        mode: live or replay; without new answers, only failed rows can be made again.

    Returns:
        A message per removed file, and a last one with the counts.

    Raises:
        InputError: another status, or answers are to be replaced in replay.
    """
    if unknown := sorted(set(statuses) - set(RETRIED)):
        raise InputError(f"retry_statuses: {unknown[0]!r} is not one of {', '.join(RETRIED)}")
    again = set(statuses) & set(ANSWERS)
    if again and mode == "replay":
        raise InputError(f"retry_statuses: {sorted(again)[0]!r} needs new answers; set `exchanges: live`")
    scenarios = list(scenarios)
    messages = [message for scenario in scenarios for message in remove_damaged_outputs(results, scenario)]
    kept, answers = _answers(results, scenarios, again)
    replaced = {digest for digest in sorted(answers - kept) if store and replace_exchange(store, digest)}
    for scenario in scenarios:
        has = f"has {' or '.join(statuses)} rows"
        messages += remove_outputs_if(results, scenario, lambda row: row["status"] in statuses, has)
        again_asked = "has rows made from an answer that is asked for again"
        messages += remove_outputs_if(results, scenario, made_from_exchange(replaced), again_asked)
    counts = f"{len(messages)} files removed"
    if replaced:
        counts += f", {len(replaced)} answers moved to {store}/{REPLACED}"
    if shared := answers & kept:
        counts += f", {len(shared)} answers kept, since rows that are ok were made from them as well"
    return [*messages, counts]


def _answers(results: Path, scenarios: list[str], statuses: Collection[str]) -> tuple[set[str], set[str]]:
    """Digests of the exchanges behind rows that are ok, and behind rows of some statuses."""
    kept, wanted = set[str](), set[str]()
    for path in (path for scenario in scenarios for path in outputs_of(results / scenario)) if statuses else ():
        for row in read_rows(path):
            for status, digests in _exchanges_by_status(row, path):
                if status in USABLE:
                    kept.update(digests)
                elif status in statuses:
                    wanted.update(digests)
    return kept, wanted


def _exchanges_by_status(row: dict, path: Path) -> Iterator[tuple[str, list[str]]]:
    """Digests of the exchanges behind a row, with its status; of a judge of parts, those of each part with its own."""
    digests, parts = exchanges_of([row], path), row.get("parts") or []
    if not digests or not parts:
        yield row["status"], digests
        return
    draws = len(digests) // len(parts)
    for number, part in enumerate(parts):
        yield part["status"], digests[number * draws : (number + 1) * draws]
