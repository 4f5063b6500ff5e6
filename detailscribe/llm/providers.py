"""Providers: the interface of an endpoint's client, and its lookup by the endpoint's `kind`."""

import importlib
from typing import Protocol

from detailscribe.errors import InputError
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.served.kinds import SERVED_KINDS

PROVIDERS = {  # kind -> "module:class", imported on first use; the class takes the endpoint's name and config entry
    "openai": "detailscribe.llm.openai_api.provider:OpenAIProvider",
    **dict.fromkeys(SERVED_KINDS, "detailscribe.llm.served.provider:ServedProvider"),
    "offline": "detailscribe.miniature.stand_in_provider:OfflineProvider",
}

RUN_BATCH = "detailscribe.llm.served.run_batch:RunBatchProvider"  # of a served endpoint with `batch`


class Provider(Protocol):
    """Client of one endpoint. It makes one attempt per call; retries and limits are up to its caller."""

    async def answer(self, request: Request) -> Answer:
        """Answer a request.

        Raises:
            EndpointError: no answer, or a problem that concerns more than this request.
        """

    async def close(self) -> None:
        """Close the connections."""


def create_provider(name: str, endpoint: dict) -> Provider:
    """The provider of an endpoint.

    Raises:
        InputError: its kind is unknown.
        SetupError: its key is not set.
    """
    kind = endpoint["kind"]
    if kind not in PROVIDERS:
        raise InputError(f"endpoint {name!r}: kind must be one of {', '.join(PROVIDERS)}, got {kind!r}")
    place = RUN_BATCH if kind in SERVED_KINDS and endpoint.get("batch") else PROVIDERS[kind]
    module, class_name = place.split(":")
    return getattr(importlib.import_module(module), class_name)(name, endpoint)
