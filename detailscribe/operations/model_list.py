"""List of an endpoint's models: `GET /models` of an OpenAI-compatible server."""

import asyncio
import os

from detailscribe.errors import SetupError
from detailscribe.files.json_reader import load_json
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import Redactor, endpoint_redactor, public_url

TIMEOUT_S = 15.0  # of the whole call


class ModelsNotListed(Exception):
    """The endpoint does not list its models."""


def list_models(name: str, endpoint: dict) -> dict[str, str | None]:
    """An endpoint's models with the day on which each shuts down, None if it gives no date.

    Raises:
        SetupError: the endpoint rejects the key; or key, address, proxy or certificates cannot be used.
        ModelsNotListed: it does not list its models.
    """
    import openai  # only where a request is sent

    from detailscribe.llm.openai_api.connection import in_own_loop

    key_env = endpoint.get("key_env")
    if key_env and not os.environ.get(key_env, "").strip():
        raise ModelsNotListed(f"needs a key in {key_env}, which is not set")
    redactor = endpoint_redactor(name, endpoint)
    try:
        models = _read(in_own_loop(_fetch(name, endpoint, redactor)), redactor)
    except openai.AuthenticationError:
        remedy = f"check the key in the environment variable {key_env}" if key_env else "set its `key_env`"
        raise SetupError(f"Endpoint {name!r} rejected the key (HTTP 401); {remedy}.") from None
    except openai.APIStatusError as error:
        raise ModelsNotListed(f"does not list its models (HTTP {error.status_code})") from None
    except (openai.APIConnectionError, TimeoutError):
        raise ModelsNotListed(f"could not be reached at {public_url(endpoint)}") from None
    except EndpointError as error:
        raise ModelsNotListed(str(error)) from None
    except (openai.APIError, ValueError, TypeError, AttributeError):
        raise ModelsNotListed("returned an unreadable list of models") from None
    if not models:
        raise ModelsNotListed("returned an empty list of models")
    return models


async def _fetch(name: str, endpoint: dict, redactor: Redactor) -> bytes:
    from detailscribe.llm.openai_api.connection import open_client

    async with open_client(name, endpoint, redactor, TIMEOUT_S) as client, asyncio.timeout(TIMEOUT_S):
        return (await client.with_options(max_retries=1).models.with_raw_response.list()).content


def _read(content: bytes, redactor: Redactor) -> dict[str, str | None]:
    value = load_json(content, allow_nonfinite=True, mend_text=True)
    rows = value.get("data") if isinstance(value, dict) else None
    models: dict[str, str | None] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            day = row.get("shutdown_date")
            models[redactor.excerpt(row["id"])] = day if isinstance(day, str) else None
    return models
