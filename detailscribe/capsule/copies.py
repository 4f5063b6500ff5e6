"""Copies of a study's own files in `config/`: prompts, topics, templates, phrases, style; the codes of its raters."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from detailscribe.capsule.shown.private_texts import check_private
from detailscribe.files.rows import read_rows
from detailscribe.study.judging.human_pairs import pair_raters
from detailscribe.study.study import Study

TEMPLATE_KEYS = ("system", "user", "direct")
PROMPT_KEYS = ("topic", "prompt", "stratum")
PHRASE_KEYS = ("id", "phrases")


def rater_codes(config: Mapping[str, Any]) -> dict[str, str]:
    """A code for each rater's name, in the order of the configuration: `rater_1`, `rater_2` ..."""
    names = dict.fromkeys([*config["human"]["raters"], *pair_raters(dict(config))])
    return {name: f"rater_{number}" for number, name in enumerate(names, 1)}


def used_config(study: Study, scenarios: list[str]) -> dict:
    """The configuration with the entries alone that these scenarios use.

    Args:
        study: The study.
        scenarios: Those of the capsule.
    """
    config = dict(study.config)
    config["study"] = scenarios
    config["scenarios"] = {name: config["scenarios"][name] for name in scenarios}
    written = {study.source(name).stem for name in scenarios if study.is_generated(name)}
    config["topics"] = {name: entry for name, entry in config["topics"].items() if name in written}
    asking = [*config["roles"].values(), *config["judges"].values(), *config["external"].values()]
    endpoints = {entry["endpoint"] for entry in asking if "endpoint" in entry}
    config["endpoints"] = {name: entry for name, entry in config["endpoints"].items() if name in endpoints}
    models = {config["image_model"], *study.drawn.values()}
    models |= {str(entry.get("image_model")) for entry in config["refiners"].values()}
    config["image_models"] = {name: entry for name, entry in config["image_models"].items() if name in models}
    return config


def copied_files(study: Study, config: Mapping[str, Any], results: Path) -> tuple[dict, dict[str, bytes]]:
    """What stands at each key of a file in the shown configuration, and the copies by name.

    Args:
        study: The study.
        config: Of `used_config`.
        results: Folder of its results.

    Raises:
        SetupError: a text holds something private.
    """
    files: dict[tuple[str, ...], Any] = {}
    copies: dict[str, bytes] = {}
    for name in config["scenarios"]:
        written = study.is_generated(name) and study.source(name).stem in config["topics"]
        target = f"resources/written/{name}.jsonl" if written else f"config/prompts/{name}.jsonl"
        if written:
            target = f"resources/written/{study.source(name).stem}.jsonl"
            exchanges = study.source(name).with_suffix(".exchanges.txt")
            if exchanges.is_file():
                copies[target.replace(".jsonl", ".exchanges.txt")] = exchanges.read_bytes()
        files["scenarios", name, "file"] = target
        copies[target] = _lines(f"the prompts of {name}", read_rows(results / name / "prompts.jsonl"), PROMPT_KEYS)
        phrases = Path(config["noun_phrases"]["folder"]) / f"{name}.jsonl"
        if phrases.is_file():
            copies[f"config/noun_phrases/{name}.jsonl"] = _lines(str(phrases.name), read_rows(phrases), PHRASE_KEYS)
    for name, entry in config["topics"].items():
        text = study.resolve(entry["file"]).read_text(encoding="utf-8")
        check_private(f"the topics of {name}", text)
        files["topics", name, "file"] = f"config/topics/{name}.txt"
        copies[f"config/topics/{name}.txt"] = text.encode()
    _copy_templates(study, config, files, copies)
    codes = rater_codes(config)
    files["human", "raters"] = [codes[name] for name in config["human"]["raters"]]
    if "raters" in config["human"].get("pairs", {}):
        files["human", "pairs", "raters"] = [codes[name] for name in config["human"]["pairs"]["raters"]]
    if style := config.get("figures", {}).get("style"):
        from detailscribe.tables.figures.style_file import read_style

        lines = "".join(f'{key}: "{value}"\n' for key, value in sorted(read_style(style, study.folder).items()))
        check_private("the style file", lines)
        files["figures", "style"] = "config/figures.mplstyle"
        copies["config/figures.mplstyle"] = lines.encode()
    return files, copies


def _lines(place: str, rows: list[dict], keys: tuple[str, ...]) -> bytes:
    shown = [{key: row[key] for key in keys if key in row} for row in rows]
    for number, row in enumerate(shown, 1):
        check_private(f"{place}, line {number}", str(row))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shown).encode()


def _copy_templates(study: Study, config: Mapping[str, Any], files: dict, copies: dict[str, bytes]) -> None:
    targets: dict[str, str] = {}
    for place, name in _templates(config):
        path = study.resolve(name if "/" in name or "." in name else f"config/templates/{name}.yaml")
        if str(path) not in targets:
            content = _template(path)
            shipped = path.resolve().parent == (study.folder / "config" / "templates").resolve()
            # The user's own file may have the user's own name; it gets that of its place in the configuration.
            stem = path.stem if shipped else "-".join(part for part in place if part not in ("template", "write"))
            target = f"config/templates/{stem}.yaml"
            if copies.get(target, content) != content:
                target = f"config/templates/{stem}-{len(copies)}.yaml"
            copies[target] = content
            targets[str(path)] = target
        files[place] = targets[str(path)]


def _template(path: Path) -> bytes:
    value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    shown = {key: value[key] for key in TEMPLATE_KEYS if key in value}
    check_private(f"the template {path.stem}", str(shown))
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100).encode()


def _templates(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key that names a template, with the name."""
    yield ("templates", "decompose"), config["templates"]["decompose"]
    for kind, name in config["templates"]["write"].items():
        yield ("templates", "write", kind), name
    for group in ("critics", "rewriters", "judges"):
        for entry, values in config[group].items():
            if "template" in values:
                yield (group, entry, "template"), values["template"]
            for scenario, name in values.get("scenario_templates", {}).items():
                yield (group, entry, "scenario_templates", scenario), name
