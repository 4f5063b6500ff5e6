"""List of an endpoint's models: `GET /models` of an OpenAI-compatible server."""

from detailscribe.errors import SetupError
from detailscribe.llm.endpoints import api_key, public_url

TIMEOUT_S = 15.0


class ModelsNotListed(Exception):
    """The endpoint does not list its models."""


def list_models(name: str, endpoint: dict) -> dict[str, str | None]:
    """An endpoint's models with the day on which each shuts down, None if it gives no date.

    Raises:
        SetupError: the endpoint rejects the key.
        ModelsNotListed: it does not list its models.
    """
    import openai  # only where a request is sent

    try:
        key = api_key(name, endpoint)
    except SetupError:
        raise ModelsNotListed(f"needs a key in {endpoint['key_env']}, which is not set") from None
    client = openai.OpenAI(
        api_key=key or "none", base_url=endpoint["base_url"] or None, timeout=TIMEOUT_S, max_retries=1
    )
    try:
        with client:
            models = {model.id: getattr(model, "shutdown_date", None) for model in client.models.list()}
    except openai.AuthenticationError:
        key_env = endpoint.get("key_env")
        remedy = f"check the key in the environment variable {key_env}" if key_env else "set its `key_env`"
        raise SetupError(f"Endpoint {name!r} rejected the key (HTTP 401); {remedy}.") from None
    except openai.APIStatusError as error:
        raise ModelsNotListed(f"does not list its models (HTTP {error.status_code})") from None
    except openai.APIConnectionError:
        raise ModelsNotListed(f"could not be reached at {public_url(endpoint)}") from None
    except (openai.APIError, ValueError, TypeError, AttributeError):
        raise ModelsNotListed("returned an unreadable list of models") from None
    if not models:
        raise ModelsNotListed("returned an empty list of models")
    return models
