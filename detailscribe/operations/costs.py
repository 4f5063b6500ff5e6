"""Costs of a scenario: calls, tokens and dollars by stage and model, from the exchanges that its rows name.

A call that was paid for and brought no usable answer counts too: the exchange keeps its usage (`tries`). Calls without
any answer are in the spend log alone.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.rows import REMEDY, read_rows
from detailscribe.llm.exchange_store import MOST, exchange_path, load_exchange
from detailscribe.llm.response_body import read_body
from detailscribe.study.stages import LLM_STAGE_OF_FOLDER, UNEQUAL, folder_and_name
from detailscribe.study.study import Study

STAGE = "cost"
ALGORITHM = 2
COST_COLUMNS = (
    *("stage", "name", "model", "served_model", "batch"),
    *("calls", "input_tokens", "output_tokens", "cost_usd", "unpriced"),
)
CACHED = "cached_tokens"


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    groups = ("critics", "rewriters", "external", "judges")
    return {"cost": {group: sorted(study.config[group]) for group in groups}}


def cost_rows(outputs: list[Path], store: Path, written: Sequence[Path] = ()) -> list[dict]:
    """Calls, tokens and dollars by stage, name and model; an exchange counts once in each.

    Args:
        outputs: Outputs of a scenario, `.../{folder}/{shard}.jsonl` or `.../{folder}/{name}/{shard}.jsonl`.
        store: Folder of the exchanges.
        written: Exchanges of the scenario's prompts, if a model wrote them: `{topics}.exchanges.txt`.

    Returns:
        Rows of `COST_COLUMNS`; `unpriced` counts the calls of unknown cost, which add nothing to `cost_usd`. If a
        server says how many input tokens it had cached, for a request whose images stand first, all rows have
        `cached_tokens`, too: those of all its calls, None where no call of the row says it.
    """
    digests: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for path in written:
        digests["write", path.name.partition(".")[0]] |= dict.fromkeys(path.read_text(encoding="utf-8").split())
    for path in outputs:
        folder, name = folder_and_name(path)
        name = f"judge-{name}" if folder in UNEQUAL else name
        for digest in exchanges_of(read_rows(path), path):
            digests[LLM_STAGE_OF_FOLDER[folder], name][digest] = None
    rows: dict[tuple, dict] = {}
    is_known = False  # whether the cached tokens of a request whose images stand first are; other studies have none
    for (stage, name), exchanges in digests.items():
        for digest in exchanges:
            try:
                exchange = load_exchange(exchange_path(store, digest))
            except (OSError, ValueError):  # deleted since: only the number of calls is known
                exchange = {"request": {"model": ""}, "served_model": "", "usage": None, "cost_usd": None}
            key = stage, name, exchange["request"]["model"], exchange["served_model"], exchange.get("batch", False)
            row = rows.setdefault(key, dict(zip(COST_COLUMNS, (*key, 0, 0, 0, 0.0, 0), strict=True)) | {CACHED: None})
            if (cached := _cached_tokens(store, digest, exchange)) is not None:
                row[CACHED] = (row[CACHED] or 0) + cached
                is_known = is_known or "images_first" in exchange["request"]
            for call in (*exchange.get("tries", []), exchange):
                row["calls"] += 1
                for side in ("input_tokens", "output_tokens"):
                    row[side] += (call["usage"] or {}).get(side) or 0
                row["cost_usd"] += call.get("cost_usd") or 0.0
                row["unpriced"] += call.get("cost_usd") is None
    for row in rows.values():
        row["cost_usd"] = round(row["cost_usd"], 6)
        if not is_known:
            row.pop(CACHED)
    return list(rows.values())


def _cached_tokens(store: Path, digest: str, exchange: dict) -> int | None:
    """Input tokens of an exchange that the server had cached; None if it does not say."""
    try:
        body = read_body(exchange_path(store, digest), exchange.get("body"))
    except (OSError, ValueError):
        return None
    usage = body.get("usage") if isinstance(body, dict) else None
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    count = details.get(CACHED) if isinstance(details, dict) else None
    return count if type(count) is int and 0 <= count < MOST else None


def exchanges_of(rows: list[dict], path: Path | None = None) -> list[str]:
    """Digests of the exchanges that rows name.

    Args:
        rows: Rows of results.
        path: Their file, for the message.

    Raises:
        SetupError: a row names something else.
    """
    digests: list[str] = []
    for row in rows:
        named = row.get("exchange") or []
        listed = named if isinstance(named, list) else [named]
        if wrong := [each for each in listed if not isinstance(each, str | None)]:
            place = path or "a file of results"
            raise SetupError(
                f"{place}: the row {str(row.get('id'))[:80]!r} names {str(wrong[0])[:80]!r}, which is not the digest "
                f"of an exchange; {REMEDY}"
            )
        digests += [each for each in listed if each]
    return digests


def cost_csv(rows: list[dict]) -> str:
    """Rows of `cost_rows` as CSV."""
    text = io.StringIO()
    columns = [*COST_COLUMNS, *([CACHED] if any(CACHED in row for row in rows) else [])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
