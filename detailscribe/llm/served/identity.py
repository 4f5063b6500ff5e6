"""Identity of a served model: what its answers depend on, and nothing else.

It is part of a role's parameters and of each request's digest. Port, API key, path of the weights, number of GPUs,
context length and `machine_flags` change no answer that was given, so they are not part of it.
"""

from collections.abc import Mapping
from pathlib import Path

from detailscribe.llm.served.kinds import is_served, server_program

NAMED = "revision:"  # beginning of the identity of weights that neither a commit nor a digest pins


def served_identity(
    endpoint: dict, weights: str, chat_template: str = "", flag_files: Mapping[str, str] | None = None
) -> dict:
    """What decides the answers of an endpoint's server beside the request. Settings that are not used are absent.

    Args:
        endpoint: Its config entry.
        weights: Identity of the weights: their commit, digest or named revision.
        chat_template: Digest of the chat template, where the weights' identity does not cover it.
        flag_files: Digest of each file or folder that a flag names, by flag and name.
    """
    options = endpoint.get("options", {})
    identity = {
        "server": server_program(endpoint),
        "version": endpoint["version"],
        "weights": weights,
        "file": endpoint.get("file"),
        "projector": endpoint.get("projector"),
        "quantization": endpoint.get("quantization"),
        "chat_template": chat_template,
        "thinking": options.get("thinking"),
        "image_tokens": options.get("image_tokens"),
        "flags": options.get("flags"),
        "flag_files": dict(flag_files or {}),
    }
    return {key: value for key, value in identity.items() if value is not None and value not in ("", {})}


def unknown_weights(name: str, endpoint: dict, identity: Mapping) -> str:
    """Why the answers of an endpoint may be recorded under weights that this machine cannot tell; "" if it can.

    Answers of a branch are recorded under its commit, those of own files under their content or their chat template.

    Args:
        name: Of the endpoint.
        endpoint: Its config entry.
        identity: `served` of a request to it.
    """
    model = endpoint.get("model", "")
    named = str(identity.get("weights", "")).startswith(NAMED)
    if not (is_served(endpoint) and named) or Path(model).expanduser().exists():
        return ""
    return (
        f"the answers of endpoint {name!r} are recorded under the content or the commit of its weights, but neither a "
        f"file or folder {model!r} nor a record of revision {endpoint['revision']!r} in resources/weights is here"
    )
