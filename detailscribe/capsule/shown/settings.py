"""Settings that a capsule shows: the configuration by the keys that may go in, with what a replay needs beside it.

Addresses, keys' variables, folders and people's names are not among the keys, or have a fixed value in their place.
Paths of templates, prompts, phrases, topics and styles lead to copies in `config/`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from detailscribe.capsule.layout import WITHHELD, WITHHELD_URL

# ---- values of one key --------------------------------------------------------------------------------------------

VALUE = "value"  # a number, a truth value, a name, the name of a repository or a path below resources/
TEXT = "text"  # what people or models read: goes in as it is, and is scanned
OPTIONS = "options"  # of requests, by the names below
CALL = "call"  # arguments of a pipeline: numbers by any name, and negative prompts
SETTINGS = "settings"  # of a metric or refiner of anybody's: numbers by any name, texts by the names of LOCATIONS
FILE = "file"  # replaced by the path of the copy


class Named(dict):
    """Entries with names of their own; the values are the rules of their keys."""


class Fixed(tuple):
    """A value that is the same in every capsule."""


_ROLE = {"endpoint": VALUE, "model": VALUE, "options": OPTIONS}
_PRICES = ("input_usd_per_million", "output_usd_per_million", "image_usd", "max_output_tokens")
# A key that is not here is not in any capsule; `tests/unit/capsule/shown/test_settings.py` names those of the schema.
KEYS: dict[str, Any] = {
    "study": VALUE,
    "scenarios": Named(file=FILE, shards=VALUE),
    "shards": VALUE,
    "interacting_folder": Fixed([""]),
    "topics": Named(file=FILE, kind=VALUE),
    "topic_attempts": VALUE,
    "image_model": VALUE,
    "image_models": Named(
        {
            name: VALUE
            for name in ("pipeline", "path", "revision", "precision", "offload", "compile", "batch", "size_px")
        }
        | {name: VALUE for name in ("max_sequence_length", "guidance_interval", "block_cache", "reuse_first_steps")}
        | {"call": CALL, "notice": TEXT, "label": TEXT}
    ),
    "generation": {name: VALUE for name in ("steps", "guidance", "format", "quality", "swap_pooled")},
    "seeds": VALUE,
    "extra_seeds": VALUE,
    "exchanges": Fixed(["replay"]),
    "refresh": Named({"": VALUE}),
    "retry_statuses": Fixed([["failed"]]),
    "budget_usd": Fixed([None]),
    "preflight": {
        "warn_days": VALUE,
        "allow_models": Fixed([[]]),
        "allow_cpu": Fixed([True]),
        "allow_served": Named({"": VALUE}),
    },
    "plan": Fixed([{"step_s": None, "load_s": None, "score_s": None, "output_tokens": 300}]),
    "endpoints": Named(
        {name: VALUE for name in ("kind", "model", "revision", "version", "quantization", "file", "projector", "batch")}
        | {"options": {name: VALUE for name in ("context", "image_tokens", "thinking", "tensor_parallel")}}
        | {"in_flight": Fixed([1]), "timeout_s": Fixed([60]), "max_retries": Fixed([0])}
        | {"base_url": Fixed([WITHHELD_URL]), "key_env": Fixed([""])}
        | {name: VALUE for name in _PRICES}
        | {"prices": Named(dict.fromkeys(_PRICES, VALUE))}
    ),
    "roles": Named(_ROLE),
    "templates": {"decompose": FILE, "write": Named({"": FILE})},
    "critics": Named(
        {name: VALUE for name in ("role", "decomposition", "reply", "after_step", "of", "stop")} | {"template": FILE}
    ),
    "rewriters": Named(role=VALUE, template=FILE, reply=VALUE, of=VALUE),
    "refiners": Named({"refiner": VALUE, "image_model": VALUE, "of": VALUE, "text": VALUE, "*": SETTINGS}),
    "selections": Named(among=VALUE, by=VALUE),
    "external": Named(_ROLE | {"image_model": VALUE, "folder": Fixed(["withheld"]), "table": Fixed(["withheld.csv"])}),
    "metrics": Named({"module": VALUE, "question": TEXT, "template_options": OPTIONS, "*": SETTINGS}),
    "noun_phrases": {"by": VALUE, "folder": Fixed(["config/noun_phrases"])},
    "judges": Named(
        _ROLE
        | {name: VALUE for name in ("asks", "scale", "reading", "critics", "control", "methods", "by", "schedule")}
        | {name: VALUE for name in ("per_prompt", "demo", "reply", "draws")}
        | {"template": FILE, "scenario_templates": Named({"": FILE})}
    ),
    "seed_selector": VALUE,
    "bootstrap": {"resamples": VALUE, "seed": VALUE},
    "statistics": {name: VALUE for name in ("baseline", "test", "permutations", "best_of")},
    "budget": {"in_tables": VALUE, "equal_compute": VALUE},
    "labels": {"methods": Named({"": TEXT}), "metrics": Named({"": TEXT})},
    "figures": {"width_in": VALUE, "column_in": VALUE, "style": FILE},
    "human": {name: VALUE for name in ("methods", "prompts", "prompts_per_sheet", "seed")}
    | {"raters": FILE, "ratings_folder": Fixed(["human"]), "released_folder": Fixed([""])}
    | {"pairs": {n: VALUE for n in ("methods", "by", "schedule", "per_prompt", "prompts")} | {"raters": FILE}},
    "quirks": {name: VALUE for name in ("judge_topic_cut", "judge_missing_score", "judge_parsing", "ties_win")},
}
# Options of requests that decide answers. Others name accounts, sessions or people (user, metadata, safety_identifier).
REQUEST_OPTIONS = {
    *("temperature", "top_p", "top_k", "min_p", "seed", "n", "stop", "max_tokens", "max_completion_tokens"),
    *("frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs"),
    *("response_format", "reasoning_effort", "reasoning", "verbosity", "size", "quality", "style", "background"),
    *("output_format", "output_compression", "moderation", "enable_thinking", "thinking", "chat_template_kwargs"),
    *("budget_tokens", "type", "effort", "detail", "service_tier", "guided_choice", "guided_regex", "guided_json"),
    *("json_schema", "schema", "name", "strict", "properties", "required", "additionalProperties", "enum", "reason"),
    *("score", "items", "minimum", "maximum", "description", "extra_body", "provider", "order", "allow_fallbacks"),
    *("quantizations", "min_tokens", "ignore_eos", "skip_special_tokens", "add_generation_prompt", "watermark"),
}
LOCATIONS = {"model", "pretrained", "revision", "vocabulary", "vocabulary_revision", "file", "precision"}
_NAME = re.compile(r"[A-Za-z0-9_][\w.:+@=,-]{0,119}(/[A-Za-z0-9_][\w.:+@-]{0,119})?")
_FOLDER = re.compile(r"(local-dir:)?resources/[A-Za-z0-9_][\w./-]{0,199}")
_OPTION_TEXT = re.compile(r"[\w .:+,<>/|#-]{0,60}")


def shown_value(value: Any) -> Any:
    """A value of VALUE: numbers, truth values and names pass, any other text is `[withheld]`; also inside lists."""
    if isinstance(value, str):
        plain = not value or _NAME.fullmatch(value) or (_FOLDER.fullmatch(value) and ".." not in value)
        return value if plain and not value.startswith("local-dir:/") else WITHHELD
    if isinstance(value, Mapping):
        return {key: shown_value(each) for key, each in value.items() if isinstance(key, str) and _NAME.fullmatch(key)}
    if isinstance(value, Sequence):
        return [shown_value(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) else WITHHELD


def shown_options(options: Any, further: Sequence[str] = ()) -> Any:
    """Options of a request by the names of REQUEST_OPTIONS; others are left out.

    Args:
        options: Of a role, a judge, an external set or a recorded request.
        further: Names that the configuration allows besides (`capsule: options`).
    """
    if isinstance(options, Mapping):
        known = REQUEST_OPTIONS.union(further)
        return {key: shown_options(each, further) for key, each in options.items() if key in known or _is_token(key)}
    if isinstance(options, str):
        return options if _OPTION_TEXT.fullmatch(options) and "://" not in options else WITHHELD
    if isinstance(options, Sequence):
        return [shown_options(each, further) for each in options]
    return options if options is None or isinstance(options, bool | int | float) else WITHHELD


def _is_token(key: object) -> bool:
    return isinstance(key, str) and key.isdigit()  # of `logit_bias`


def shown_config(config: Mapping[str, Any], files: Mapping[tuple[str, ...], Any], options: Sequence[str]) -> dict:
    """The configuration by KEYS.

    Args:
        config: Complete and valid.
        files: What stands at each key of FILE, by the key's path; a key without an entry is left out.
        options: Further names of request options.
    """
    return _shown(config, KEYS, files, options, ())


def _shown(value: Any, rule: Any, files: Mapping, options: Sequence[str], place: tuple[str, ...]) -> Any:
    if isinstance(rule, Fixed):
        return rule[0]
    if isinstance(rule, str):
        if rule == OPTIONS:
            return shown_options(value, options)
        if rule == SETTINGS and place[-1] not in LOCATIONS:
            return _numbers(value)
        return str(value) if rule == TEXT else _shown_call(value) if rule == CALL else shown_value(value)
    if isinstance(rule, Named):
        named = ((name, each) for name, each in value.items() if isinstance(name, str) and _NAME.fullmatch(name))
        return {
            name: found
            for name, each in named
            if (found := _of_entry(each, rule, files, options, (*place, name))) is not None
        }
    shown = {}
    for key, each in value.items():
        own = rule.get(key, rule.get("*"))
        if own is None:
            continue
        if own == FILE:
            if (*place, key) in files:
                shown[key] = files[*place, key]
        else:
            shown[key] = _shown(each, own, files, options, (*place, key))
    return shown


def _of_entry(entry: Any, rule: Named, files: Mapping, options: Sequence[str], place: tuple[str, ...]) -> Any:
    """An entry of a group whose names are the user's: a value of its own, or keys."""
    if "" in rule:  # values by name
        return files.get(place) if rule[""] == FILE else _shown(entry, rule[""], files, options, place)
    if isinstance(entry, str):  # a scenario that is a path alone
        return files.get((*place, "file"))
    return _shown(entry, dict(rule), files, options, place)


def _shown_call(call: Mapping[str, Any]) -> dict:
    texts = {key: str(each) for key, each in call.items() if key.startswith("negative_prompt")}
    return {key: each for key, each in ((key, texts.get(key, _numbers(call[key]))) for key in call) if each is not None}


def _numbers(value: Any) -> Any:
    """A value without any text: numbers, truth values, and lists of them; None for anything else."""
    if isinstance(value, list | tuple):
        return [_numbers(each) for each in value]
    return value if isinstance(value, bool | int | float) else None
