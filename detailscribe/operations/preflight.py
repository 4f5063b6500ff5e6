"""Before a run asks anything: does each model still exist where it will be asked, and until when?"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from detailscribe.errors import SetupError
from detailscribe.llm.model_names import is_same_model
from detailscribe.llm.endpoints import Redactor, api_key, public_url

TIMEOUT_S = 15.0
NAMED = 5  # models of an endpoint that a sentence names


@dataclass
class Findings:
    """What a preflight found, in sentences: what to know, and what a run must not start with."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check_models(
    asked: Iterable[tuple[str, str]],
    endpoints: dict[str, dict],
    mode: str,
    settings: dict,
    retirements: dict[str, date],
    today: date,
) -> Findings:
    """Ask each endpoint once whether the models exist that will be asked there.

    Args:
        asked: Endpoint and model of everything that will be asked.
        endpoints: Config entries by name.
        mode: live or replay.
        settings: `warn_days`, `allow_models`.
        retirements: Last day of known models, for endpoints that do not say (`models.read_retirements`).
        today: Today.
    """
    by_endpoint: dict[str, list[str]] = {}
    for endpoint, model in dict.fromkeys(asked):
        if endpoints[endpoint]["kind"] == "openai":
            by_endpoint.setdefault(endpoint, []).append(model)
    findings = Findings()
    if mode == "replay":
        if by_endpoint:
            findings.notes.append("Recorded exchanges answer; whether their models still exist was not checked.")
        return findings
    for name, models in by_endpoint.items():
        try:
            listed = list_models(name, endpoints[name])
        except _Unchecked as error:
            listed = None
            many = ", ".join(sorted(models))
            findings.notes.append(f"Endpoint {name!r} {error}: whether it has {many} was not checked.")
        except SetupError as error:
            findings.problems.append(str(error))
            continue
        for model in models:
            _check_model(name, model, listed, settings, retirements, today, findings)
    return findings


def list_models(name: str, endpoint: dict) -> dict[str, str | None]:
    """An endpoint's models with the day each shuts down, None where it does not say.

    Raises:
        SetupError: the endpoint does not accept the key.
        _Unchecked: it does not say which models it has.
    """
    import openai  # only where there is something to ask

    try:
        key = api_key(name, endpoint)
    except SetupError:
        raise _Unchecked(f"needs a key in {endpoint['key_env']}, which is not set") from None
    client = openai.OpenAI(
        api_key=key or "none", base_url=endpoint["base_url"] or None, timeout=TIMEOUT_S, max_retries=1
    )
    try:
        with client:
            found = {model.id: getattr(model, "shutdown_date", None) for model in client.models.list()}
    except openai.AuthenticationError:
        key_env = endpoint.get("key_env")
        way_out = f"check the key in the environment variable {key_env}" if key_env else "name its `key_env`"
        raise SetupError(f"Endpoint {name!r} did not accept the key (HTTP 401); {way_out}.") from None
    except openai.APIStatusError as error:
        raise _Unchecked(f"does not say which models it has (HTTP {error.status_code})") from None
    except openai.APIConnectionError:
        raise _Unchecked(f"could not be reached at {public_url(endpoint)}") from None
    except (openai.APIError, ValueError, TypeError, AttributeError):
        raise _Unchecked("gave no list of models that could be read") from None
    if not found:
        raise _Unchecked("gave an empty list of models")
    return found


class _Unchecked(Exception):
    """The endpoint does not say which models it has."""


def _check_model(name, model, listed, settings, retirements, today, findings) -> None:
    allowed = model in settings["allow_models"]
    way_out = (
        f"name another model in the config, set `exchanges: replay`, or ask it all the same: "
        f"`preflight: {{allow_models: [{model}]}}`"
    )
    known = None if listed is None else next((each for each in listed if is_same_model(model, each)), None)
    last, source = _last_day(listed[known] if known else None), "the endpoint"
    if last is None:
        last, source = retirements.get(model), "config/models.tsv"
    if listed is not None and known is None and not allowed:
        gone = f"; it retired on {last}" if last and last < today else ""
        has = Redactor("").excerpt(", ".join(sorted(listed)[:NAMED]) or "none")
        more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
        findings.problems.append(f"Endpoint {name!r} has no model {model!r}{gone} (it has {has}{more}); {way_out}.")
    elif last and last < today and not known and not allowed:
        findings.problems.append(f"The model {model!r} retired on {last} ({source}); {way_out}.")
    elif last and last < today:
        findings.notes.append(
            f"The model {model!r} retired on {last} according to {source}, and is asked all the same."
        )
    elif last and (days := (last - today).days) <= settings["warn_days"]:
        findings.notes.append(
            f"The model {model!r} retires on {last}, in {days} days ({source}); what it answers until then is kept."
        )


def _last_day(said: str | None) -> date | None:
    try:
        return date.fromisoformat(str(said)[:10])
    except ValueError:
        return None
