"""Roles of language models: templates and the parameters that decide their answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import yaml

from detailscribe.errors import InputError, known_names
from detailscribe.files.brought_files import no_such_file
from detailscribe.study.served import served_model

if TYPE_CHECKING:
    from detailscribe.study.study import Study

BASE_VARIABLES = ("prompt", "topic")  # of the templates of a role that is asked about a prompt
DIRECT = "direct"  # key of a judge's template: the text for readings that need a mark alone
MAY_BE_MISSING = ("defined", "undefined", "default", "d")  # tests and filters of Jinja2


def role_parameters(
    study: Study, role: str, template: str, reply: str, variables: Collection[str] = BASE_VARIABLES
) -> dict:
    """What decides the answers of a role: model, template, options, form of the reply, refresh, served weights.

    Args:
        variables: That the template may use.

    Raises:
        InputError: as `read_template`.
    """
    entry = study.config["roles"][role]
    return {
        "model": entry["model"],
        "template": read_template(study, template, variables),
        "options": entry["options"],
        "reply": reply,
        **refresh_count(study, role),
        **served_model(study, entry["endpoint"]),
    }


def refresh_count(study: Study, name: str) -> dict:
    """`{"refresh": n}` for a role, `judge-{name}` or external entry that the config re-queries; empty for n = 0.

    Absent until it is used, so that a study that never re-queried keeps its parameter files.
    """
    count = study.config["refresh"].get(name, 0)
    return {"refresh": count} if count else {}


def read_template(
    study: Study, name: str, variables: Collection[str] = BASE_VARIABLES, direct: bool | None = None
) -> dict:
    """A template by its name in config/templates or by its path: its `system` and `user`.

    Args:
        variables: That it may use.
        direct: Whether the template's text `direct`, if it has one, takes the place of `user`: that of a judge whose
            answer is a mark alone. None for a role, whose template has no such text.

    Raises:
        InputError: no such file, not YAML, other keys, no valid Jinja2, or another variable.
    """
    path = study.resolve(name if "/" in name or "." in name else f"config/templates/{name}.yaml")
    if not path.is_file():
        raise InputError(f"template {name!r}: {no_such_file(str(path), study.folder)}; name one of config/templates")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict) or set(value) - ({DIRECT} if direct is not None else set()) != {"system", "user"}:
        optional = "" if direct is None else f", and may have {DIRECT}"
        raise InputError(f"{path}: a template has exactly the keys system and user{optional}")
    for key, text in value.items():
        _check_text(f"{path}: {key}", text or "", variables)
    text = value.pop(DIRECT, None)
    return value | {"user": text} if direct and text else value


def _check_text(place: str, text: object, variables: Collection[str]) -> None:
    """Refuse a text that is no template, or uses a variable that its role does not have.

    A variable that the text asks for with `is defined`, or gives a `default`, may be missing.
    """
    from jinja2 import Environment, TemplateSyntaxError, meta, nodes

    if not isinstance(text, str):
        raise InputError(f"{place}: must be a text, got {text!r:.80}")
    try:
        tree = Environment().parse(text)
    except TemplateSyntaxError as error:
        raise InputError(f"{place}, line {error.lineno}: {error}; correct the template") from None
    asked = [each for each in tree.find_all((nodes.Test, nodes.Filter)) if each.name in MAY_BE_MISSING]
    optional = {each.node.name for each in asked if isinstance(each.node, nodes.Name)}
    if unknown := sorted(meta.find_undeclared_variables(tree) - optional - set(variables)):
        known = known_names(unknown[0], list(variables), "there are: ")
        raise InputError(f"{place}: there is no variable {unknown[0]!r} in this role's templates; {known}")
