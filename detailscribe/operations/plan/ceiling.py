"""Ceiling of a study's spending: what `budget_usd` guarantees, for which calls it is an estimate, what is spent."""

from collections.abc import Iterable
from pathlib import Path

from detailscribe.llm.request import Request
from detailscribe.llm.spending.account import read_account
from detailscribe.llm.spending.bounds import Bound, call_bound
from detailscribe.study.judging.probabilities import asking_options
from detailscribe.study.study import Study


def budget_sentence(study: Study, stages: Iterable[tuple[str, str]]) -> str:
    """What the budget guarantees for the calls of some stages; empty without a budget or a paid call.

    Args:
        stages: (stage, name) of each, of `Study.llm_stages`.
    """
    bounds = {" ".join(filter(None, each)): _bound(study, *each) for each in stages}
    if study.config["budget_usd"] is None or not any(bound.amount_usd for bound in bounds.values()):
        return ""
    budget = f"Budget: {study.config['budget_usd']:g} dollars"
    if not (unlimited := sorted(name for name, bound in bounds.items() if not bound.certain)):
        return f"{budget}, a ceiling: each call reserves the most it can cost, and a run stops before it spends more."
    return (
        f"{budget}, an estimate for {', '.join(unlimited)}: nothing limits what these calls write, so a run may spend "
        "more by what one of them costs, and asks one at a time near the end; set `max_tokens` in their options, or "
        "`max_output_tokens` at their endpoint."
    )


def spent_sentence(store: Path) -> str:
    """What the calls of a store have cost, and what calls without a reported cost may have.

    Args:
        store: Folder of the exchanges.
    """
    account = read_account(store)
    unsure = account.booked_usd + sum(each.amount_usd for each in account.open.values())
    calls = account.booked + len(account.open)
    text = f"Spent so far: {account.cost_usd + unsure:.4f} dollars"
    if not calls:
        return f"{text}."
    return f"{text}, {unsure:.4f} of them the most that {calls} calls can have cost whose cost no server has reported."


def _bound(study: Study, stage: str, name: str) -> Bound:
    entry = study.llm_entry(stage, name)
    kind = "image" if stage == "external" else "chat"
    options = asking_options(study.judging[name]) if stage == "judge" else entry["options"]
    request = Request(stage, entry["endpoint"], entry["model"], (), options=options, kind=kind)
    return call_bound(request, study.config["endpoints"][entry["endpoint"]])
