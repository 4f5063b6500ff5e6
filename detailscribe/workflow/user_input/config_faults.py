"""Faults of a configuration under its JSON schema: a sentence each with the key, the value, and what is allowed."""

import difflib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.llm.served.kinds import COMMANDS, key_remedy

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MOST = 10  # sentences of one message
SHOWN = 80  # characters of a value
PINS = ("model", "revision", "version")  # keys of a served model of which it is said what to write
SECRET = re.compile("key|token|secret|passw", re.IGNORECASE)  # names of keys whose values are not repeated
LITERAL = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?|[Tt]rue|[Ff]alse")
TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping {key: value}",
    "array": "a list",
    "null": "null",
}
LIMITS = {
    "minimum": "is less than {}",
    "maximum": "is more than {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
    "multipleOf": "is no multiple of {}",
    "minLength": "is shorter than {} characters",
    "maxLength": "is longer than {} characters",
    "minItems": "has fewer than {} entries",
    "maxItems": "has more than {} entries",
    "minProperties": "has fewer than {} entries",
    "pattern": "does not have the form {}",
}


def config_faults(config: object, schema_file: Path) -> list[str]:
    """A sentence for each fault, at most MOST and one that counts the others; empty for a valid configuration."""
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(schema_file.read_text(encoding="utf-8"))
    errors = list(Draft202012Validator(schema).iter_errors(config))
    wrong = [list(error.absolute_path) for error in errors]
    # What a kind needs means nothing where the kind itself is wrong.
    kept = [each for each in errors if not _is_conditional(each) or [*each.absolute_path, "kind"] not in wrong]
    misspelled = {(*error.absolute_path, key) for error in kept for key in _meant(error).values()}
    found = list(dict.fromkeys(sentence for error in kept for sentence in _sentences(error, misspelled)))
    more = len(found) - MOST
    return found[:MOST] + ([f"and {more} more faults"] if more > 0 else [])


def _is_conditional(error: "ValidationError") -> bool:
    return not {"then", "else"}.isdisjoint(error.absolute_schema_path)


def _meant(error: "ValidationError") -> dict[str, str]:
    """Key that was probably meant, by each unknown key that resembles one."""
    if error.validator != "additionalProperties":
        return {}
    keys = list(error.schema.get("properties", {}))
    near = {name: _nearest(name, keys) for name in error.instance if name not in keys}
    return {name: key for name, key in near.items() if key}


def _sentences(error: "ValidationError", misspelled: Collection[tuple] = ()) -> Iterator[str]:
    """Sentences about an error; of a missing key that is there under a wrong name, the wrong name tells."""
    place = ": ".join(map(str, error.absolute_path)) or "the configuration"
    rule, allowed, value = str(error.validator), error.validator_value, error.instance
    if rule in ("anyOf", "oneOf"):
        yield from _of_branches(error, place)
    elif rule == "additionalProperties":
        keys = list(error.schema.get("properties", {}))
        for name in sorted(set(value) - set(keys), key=str):
            yield f"{place}: {_short(name)} is no key here{_hint(name, keys) or '; the keys are ' + ', '.join(keys)}"
    elif rule == "required":
        subject = f"kind {value['kind']}" if isinstance(value.get("kind"), str) else "it"
        missing = [name for name in allowed if name not in value]
        missing = [name for name in missing if (*error.absolute_path, name) not in misspelled]
        program = COMMANDS.get(value["kind"], [""])[0] if isinstance(value.get("kind"), str) else ""
        what = [f"; {name}: {key_remedy(name, program)}" for name in missing if program and name in PINS]
        if missing:
            yield f"{place}: {subject} needs the key{'s' * (len(missing) > 1)} {', '.join(missing)}{''.join(what)}"
    else:
        yield f"{place}: {_value(error)} {_problem(rule, allowed, value)}{_about(error)}{_from_command_line(error)}"


def _from_command_line(error: "ValidationError") -> str:
    """What to say of a number or truth value that is a text inside a list or mapping, as `--config` makes it."""
    inside, value = len(error.absolute_path) > 1, error.instance
    if error.validator == "type" and inside and isinstance(value, str) and LITERAL.fullmatch(value):
        return "; `--config` makes texts of what stands in lists and mappings: write it into a config file"
    return ""


def _of_branches(error: "ValidationError", place: str) -> Iterator[str]:
    """Of several forms, the one whose type the value has; if it has none of their types, all of them."""
    branches: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.relative_schema_path[0], []).append(each)
    near = [
        faults for faults in branches.values() if not any(e.validator == "type" and not e.relative_path for e in faults)
    ]
    if near:
        for each in min(near, key=len):
            yield from _sentences(each)
        return
    kinds = [each.get("type", "") for each in error.validator_value if isinstance(each, dict)]
    words = " or ".join(TYPES[kind] for kind in kinds if isinstance(kind, str) and kind in TYPES)
    yield f"{place}: {_value(error)} is {_type_of(error.instance)}; write {words or 'another value'}{_about(error)}"


def _problem(rule: str, allowed: Any, value: object) -> str:
    if rule == "type":
        wanted = allowed if isinstance(allowed, list) else [allowed]
        quoted = ", in quotes" if wanted == ["string"] and isinstance(value, int | float) else ""
        return f"is {_type_of(value)}; write {' or '.join(TYPES[each] for each in wanted)}{quoted}"
    if rule == "enum":
        return f"is not one of {', '.join(map(str, allowed))}{_hint(value, allowed)}"
    if rule == "uniqueItems":
        return "has an entry twice"
    if allowed == 1 and rule in ("minLength", "minItems", "minProperties"):
        return "is empty"
    return LIMITS[rule].format(allowed) if rule in LIMITS else f"is not allowed ({rule}: {_short(allowed)})"


def _type_of(value: object) -> str:
    names = {int: "integer", float: "number", str: "string", dict: "object", list: "array"}
    return "a truth value" if isinstance(value, bool) else TYPES[names.get(type(value), "null")]


def _hint(name: object, known: list) -> str:
    near = _nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def _nearest(name: object, known: list) -> str:
    """The known word that resembles a word most; "" if none does."""
    words = [str(each) for each in known]
    return next(iter(difflib.get_close_matches(name.lower(), words, n=1)), "") if isinstance(name, str) else ""


def _about(error: "ValidationError") -> str:
    about = str(error.schema.get("description", "")) if isinstance(error.schema, dict) else ""
    return f" ({about.rstrip('.')})" if about else ""


def _value(error: "ValidationError") -> str:
    name = error.absolute_path[-1] if error.absolute_path else ""
    return "its value" if isinstance(error.instance, str) and SECRET.search(str(name)) else _short(error.instance)


def _short(value: object) -> str:
    words = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    text = re.sub(r"//[^@/]*@", "//", words)
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."
