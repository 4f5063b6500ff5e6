"""Options of requests that no study can use: they replace a part of the request, or ask for what is not read."""

from __future__ import annotations

from detailscribe.errors import InputError

# Options that the pipeline sets itself, by where it takes them from.
OWN = {
    "model": "name the model in `model`",
    "messages": "write the instruction into the template",
    "prompt": "the prompt is that of the study",
}
STREAM = ("stream", "stream_options", "partial_images")
FUNCTIONS = ("functions", "function_call")


def check_options(config: dict) -> None:
    """Check the `options` of everything that sends requests.

    Raises:
        InputError: names the entry, the option and the remedy.
    """
    for group in ("roles", "external", "judges"):
        for name, entry in config[group].items():
            options = entry.get("options", {})
            for key, value in options.items():
                if problem := _problem(key, value):
                    raise InputError(f"{group}: {name}: options: {key}: {value!r} {problem}")
            if group == "judges" and entry["draws"] > 1 and options.get("seed") is not None:
                raise InputError(
                    f"judges: {name}: options: seed: {options['seed']!r} makes its {entry['draws']} draws one draw, "
                    "counted several times; remove the seed, or set `draws: 1`"
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
