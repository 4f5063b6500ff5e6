"""Roles of language models: templates and the parameters that decide their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from detailscribe.errors import InputError
from detailscribe.study.served import served_model

if TYPE_CHECKING:
    from detailscribe.study.study import Study


def role_parameters(study: Study, role: str, template: str, reply: str) -> dict:
    """What decides the answers of a role: model, template, options, form of the reply, refresh, served weights."""
    entry = study.config["roles"][role]
    return {
        "model": entry["model"],
        "template": read_template(study, template),
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


def read_template(study: Study, name: str) -> dict:
    """A template by its name in config/templates or by its path.

    Raises:
        InputError: no such file, not YAML, or other keys than system and user.
    """
    path = study.resolve(name if "/" in name or "." in name else f"config/templates/{name}.yaml")
    if not path.is_file():
        raise InputError(f"template {name!r}: no file {path}; write it, or name one of config/templates")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict) or set(value) != {"system", "user"}:
        raise InputError(f"{path}: a template has exactly the keys system and user")
    return value
