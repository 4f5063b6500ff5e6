"""Options of requests that no study can use: they replace a part of the request, or ask for what is not read."""

from __future__ import annotations

import math

from detailscribe.errors import InputError

# Options that the pipeline sets itself, by where it takes them from.
OWN = {
    "model": "name the model in `model`",
    "messages": "write the instruction into the template",
    "prompt": "the prompt is that of the study",
}
STREAM = ("stream", "stream_options", "partial_images")
FUNCTIONS = ("functions", "function_call")
MAX_DEPTH = 32  # levels of lists and mappings in an option


def check_options(config: dict) -> None:
    """Check the `options` of everything that sends requests, and the `call` of image models.

    Raises:
        InputError: names the entry, the option and the remedy.
    """
    for name, entry in config["image_models"].items():
        _check_json(f"image_models: {name}: call", entry["call"])
    for group in ("roles", "external", "judges"):
        for name, entry in config[group].items():
            options = entry.get("options", {})
            _check_json(f"{group}: {name}: options", options)
            for key, value in options.items():
                if problem := _problem(key, value):
                    raise InputError(f"{group}: {name}: options: {key}: {value!r} {problem}")
            if group == "judges" and entry["draws"] > 1 and options.get("seed") is not None:
                raise InputError(
                    f"judges: {name}: options: seed: {options['seed']!r} makes its {entry['draws']} draws one draw, "
                    "counted several times; remove the seed, or set `draws: 1`"
                )


def _check_json(place: str, value: object, depth: int = 0) -> None:
    """Raise an InputError for what JSON does not hold: YAML has dates, bytes, sets, and keys that are no texts."""
    if depth > MAX_DEPTH:
        raise InputError(f"{place}: nested deeper than {MAX_DEPTH} levels; no request holds that")
    if isinstance(value, dict):
        for key, each in value.items():
            if not isinstance(key, str):
                raise InputError(f"{place}: the key {key!r} is no text; write it in quotes")
            _check_json(f"{place}: {key}", each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check_json(place, each, depth + 1)
    elif not isinstance(value, str | int | float | None) or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(
            f"{place}: {value!r} is a {type(value).__name__} that no request holds; write a text in quotes, a finite "
            "number, true, false, null, a list or a mapping"
        )


def _problem(key: str, value: object) -> str:
    """Why an option cannot be used, with the remedy; empty if it can."""
    if key in OWN:
        return f"would replace what the pipeline sends; {OWN[key]}"
    if key in STREAM and value not in (False, None):
        return "makes the server send its answer in parts, which are not read; remove it"
    if key == "n" and (value != 1 or value is True) and value is not None:
        return "makes the server send several answers, of which one is read and all are paid for; remove it"
    if key in FUNCTIONS or (key == "tools" and _has_function(value)):
        return "offers the model functions, which nobody calls; remove it"
    if key == "modalities" and isinstance(value, list) and "audio" in value:
        return "makes the server send sound, which is not read; remove it"
    return ""


def _has_function(tools: object) -> bool:
    listed = tools if isinstance(tools, list) else []
    return any(isinstance(each, dict) and each.get("type") == "function" for each in listed)
