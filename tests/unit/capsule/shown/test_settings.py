"""Every key of the configuration is either shown by a rule or named here as one that no capsule holds."""

import pytest
import yaml

from detailscribe.capsule.layout import WITHHELD
from detailscribe.capsule.shown.settings import KEYS, Fixed, Named, shown_options, shown_value
from tests.paths import REPOSITORY

HIDDEN = {
    *("power", "capsule"),
    *(f"endpoints.{name}" for name in ("command", "chat_template", "start_timeout_s", "default_query")),
    *(f"endpoints.{name}" for name in ("requests_per_minute", "tokens_per_minute")),
    *("endpoints.options.flags", "endpoints.options.machine_flags"),
}


def keys_of_schema() -> dict:
    return yaml.safe_load((REPOSITORY / "config" / "config.schema.yaml").read_text(encoding="utf-8"))


def properties(schema: dict, definitions: dict) -> dict:
    """The keys of an object, or of the entries of a group, in all their forms."""
    if "$ref" in schema:
        return properties(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    found = dict(schema.get("properties", {}))
    entry = schema.get("additionalProperties")
    forms = [each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, [])]
    for form in [*forms, *([entry] if isinstance(entry, dict) else [])]:
        found |= properties(form["then"] if form.keys() <= {"if", "then"} else form, definitions)
    return found


def unruled(schema: dict, rule: object, definitions: dict, place: str = "") -> list[str]:
    """Keys of the schema without a rule, as paths with dots; names of entries are left out."""
    if isinstance(rule, (str, Fixed)):
        return []
    assert isinstance(rule, dict)
    if isinstance(rule, Named) and "" in rule:
        return []
    found = []
    for key, inner in properties(schema, definitions).items():
        path = f"{place}.{key}".strip(".")
        own = rule.get(key, rule.get("*"))
        found += [path] if own is None else unruled(inner, own, definitions, path) if isinstance(inner, dict) else []
    return found


def test_each_key_of_the_schema_has_a_rule_or_is_hidden():
    schema = keys_of_schema()
    assert set(unruled(schema, KEYS, schema["$defs"])) == HIDDEN


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *[(each, each) for each in (None, True, 3, 0.5, "", "fp32", "Qwen/Qwen-Image", "resources/miniature/sd3")],
        *[(each, each) for each in ("local-dir:resources/miniature/clip", "2.13.0+cpu", ["a", 1], {"a": ["b"]})],
        *[(each, WITHHELD) for each in ("/home/a/x", "~/x", "../x/y", "a/b/c", "local-dir:/home/a", "C:\\Users\\a")],
        *[(each, WITHHELD) for each in ("http://h/v1", "two words", "resources/../../etc", "a\nb", "x" * 300)],
        ({"/home/a": 1, "b": "/home/a"}, {"b": WITHHELD}),
    ],
)
def test_values(value, shown):
    assert shown_value(value) == shown


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"temperature": 0, "max_tokens": 5}, {"temperature": 0, "max_tokens": 5}),
        ({"user": "ann", "metadata": {"host": "x"}, "seed": 1}, {"seed": 1}),
        ({"extra_body": {"user": "ann", "top_k": 3}}, {"extra_body": {"top_k": 3}}),
        ({"stop": ["\n\n", "http://host/"]}, {"stop": [WITHHELD, WITHHELD]}),
        ({"logit_bias": {"15496": -100}}, {"logit_bias": {"15496": -100}}),
    ],
)
def test_request_options(options, shown):
    assert shown_options(options) == shown
    assert shown_options({"user": "ann"}, ["user"]) == {"user": "ann"}
