"""Preflight: whether the models of a run still exist at their endpoints, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from detailscribe.errors import SetupError
from detailscribe.llm.endpoints import Redactor, is_offline, public_url
from detailscribe.llm.model_names import is_same_model, read_retirements
from detailscribe.llm.served.kinds import is_served
from detailscribe.operations.model_list import ModelsNotListed, list_models

RETIREMENTS = "config/models.tsv"
LISTED = 5  # models of an endpoint that a message lists


@dataclass
class Findings:
    """Messages of a preflight: notes, problems with which a run must not start, and models that were not checked."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check_configured_models(requested: Iterable[tuple[str, str]], config: dict, folder: Path) -> Findings:
    """Check models with the settings of a configuration, as of today.

    Args:
        requested: Endpoint and model of everything that will send requests.
        config: `endpoints`, `exchanges`, `preflight`.
        folder: The workflow's own folder, which holds the table of the last day of known models.
    """
    settings = config["endpoints"], config["exchanges"], config["preflight"]
    return check_models(requested, *settings, read_retirements(folder / RETIREMENTS), date.today())


def check_models(
    requested: Iterable[tuple[str, str]],
    endpoints: dict[str, dict],
    mode: str,
    settings: dict,
    retirements: dict[tuple[str, str], date],
    today: date,
) -> Findings:
    """Ask each endpoint once for its models, and check those that will be used.

    Args:
        requested: Endpoint and model of everything that will send requests.
        endpoints: Config entries by name.
        mode: live or replay.
        settings: `warn_days`, `allow_models`.
        retirements: Last day of known models by host and model, for endpoints of that host that give no date.
        today: Today.
    """
    by_endpoint: dict[str, list[str]] = {}
    for endpoint, model in dict.fromkeys(requested):
        if not (is_offline(endpoints[endpoint]) or is_served(endpoints[endpoint])):
            by_endpoint.setdefault(endpoint, []).append(model)
    findings = Findings()
    if mode == "replay":
        if by_endpoint:
            findings.unchecked += [model for models in by_endpoint.values() for model in models]
            findings.notes.append("Replay uses recorded exchanges; the models behind them were not checked.")
        return findings
    for name, models in by_endpoint.items():
        listed: dict[str, str | None] | None = None
        try:
            listed = list_models(name, endpoints[name])
        except ModelsNotListed as error:
            findings.unchecked += models
            findings.notes.append(f"Endpoint {name!r} {error}; not checked: {', '.join(sorted(models))}.")
        except SetupError as error:
            findings.problems.append(str(error))
            continue
        host = (urlsplit(public_url(endpoints[name])).hostname or "").lower()
        for model in models:
            _check_model(name, model, listed, settings, retirements.get((host, model)), today, findings)
    return findings


def result_lines(requested: Iterable[tuple[str, str]], endpoints: dict[str, dict], findings: Findings) -> list[str]:
    """How many of the models were checked, and which need no check: the demo's own, and those that jobs serve."""
    models = set(requested)
    of_mock = {each for each in models if is_offline(endpoints[each[0]])}
    served = {each for each in models if is_served(endpoints[each[0]])}
    lines = ["The demo's models and its offline mock answer without a network: nothing to check."] if of_mock else []
    if served:
        lines.append(f"{len(served)} models are served by the jobs, which check them as they start.")
    if asked := len(models - of_mock - served):
        unchecked = len(findings.unchecked)
        left = f", {unchecked} not checked" if unchecked else ""
        lines.append(f"{asked - unchecked} models checked{left}, {len(findings.problems)} problems")
    return lines


def _check_model(
    name: str,
    model: str,
    listed: dict[str, str | None] | None,
    settings: dict,
    known_last_day: date | None,
    today: date,
    findings: Findings,
) -> None:
    allowed = model in settings["allow_models"]
    remedy = (
        "name another model in the config, set `exchanges: replay`, or use it anyway: "
        f"`preflight: {{allow_models: [{model}]}}`"
    )
    listed_name = next((each for each in listed or {} if is_same_model(model, each)), None)
    last_day, source = _parse_date(listed[listed_name] if listed and listed_name else None), "the endpoint"
    if last_day is None:
        last_day, source = known_last_day, RETIREMENTS
    if listed is not None and listed_name is None and not allowed:
        retired = f"; it retired on {last_day}" if last_day and last_day < today else ""
        names = Redactor("").excerpt(", ".join(sorted(listed)[:LISTED]) or "none")
        more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
        findings.problems.append(f"Endpoint {name!r} has no model {model!r}{retired} (it has {names}{more}); {remedy}.")
    elif last_day and last_day < today and not listed_name and not allowed:
        findings.problems.append(f"The model {model!r} retired on {last_day} ({source}); {remedy}.")
    elif last_day and last_day < today:
        findings.notes.append(f"The model {model!r} retired on {last_day} according to {source}, and is used anyway.")
    elif last_day and (days := (last_day - today).days) <= settings["warn_days"]:
        findings.notes.append(
            f"The model {model!r} retires on {last_day}, in {days} days ({source}); answers recorded until then are "
            "kept."
        )


def _parse_date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None
