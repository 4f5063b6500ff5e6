"""Validation of what a schema cannot express: names that must exist, files that must be there, conflicting values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.engines.acceleration.options import check_options
from detailscribe.errors import InputError, known_names
from detailscribe.llm.endpoints import is_offline, server_url
from detailscribe.llm.served.kinds import LLAMA_CPP_PYTHON, check_path, check_served, is_served, server_program
from detailscribe.study import request_options
from detailscribe.study.image_graph import check_graph
from detailscribe.study.judging.checks import check_judges
from detailscribe.study.judging.human_pairs import check_human_pairs
from detailscribe.study.judging.judges import PROMPT
from detailscribe.study.judging.pair_schedule import check_pairs
from detailscribe.study.refinements import PROMPT_SWITCH, REFINERS, Selection

if TYPE_CHECKING:
    from detailscribe.study.study import Study

# Names of folders and targets that no scenario may have.
RESERVED = {
    *(
        "all",
        "changed",
        "default",
        "fingerprints",
        "folders",
        "parameters",
        "pilot",
        "plan",
        "preflight",
        "prompts",
        "report",
        "retry",
    ),
    *("tables", "verify", "weights"),
}


UNUSABLE = re.compile("[\0\ud800-\udfff]")  # the null character, and halves of surrogate pairs
LONGEST_NAME = 256  # characters of a model's name, which is a word of a command line
SCHEMA = "response_format"
# Options that servers refuse. Source: transformers 5.23, `cli/serving/chat_completion.py`; llama-cpp-python 0.3.36.
REFUSED = {
    "transformers": ("logprobs", "top_logprobs", "reasoning_effort", "n", "presence_penalty", SCHEMA),
    LLAMA_CPP_PYTHON: (SCHEMA,),
}


def check_study(study: Study) -> None:
    """Check the configuration of a study.

    Raises:
        InputError, SetupError: names the key, the value and the remedy.
    """
    _check_values(study.config)
    _check_names(study.config)
    check_judges(study)
    for name, endpoint in study.config["endpoints"].items():
        if is_served(endpoint):
            check_served(name, endpoint)
        elif not is_offline(endpoint):
            server_url(name, endpoint)
    _check_files(study)
    groups = "critics, rewriters, refiners and external"
    if duplicate := _duplicate(study.image_sets()):
        raise InputError(f"{groups} make the image set {duplicate!r} twice; rename one")
    check_graph(study.graph, study.config, study.image_sets())
    _check_steps(study)
    for name, entry in study.config["refiners"].items():
        if "image_model" in entry:
            _known(
                f"refiners: {name}: image_model", [entry["image_model"]], study.config["image_models"], "image_models"
            )
    for name in dict.fromkeys([study.config["image_model"], *study.other_image_models]):
        _check_image_model(study.config, name)
    request_options.check_options(study.config)
    _check_served_options(study.config)
    rows = [method.name for method in study.methods()]
    if (duplicate := _duplicate(rows)) in study.graph.selections:
        place = study.graph.selections[duplicate].place
        raise InputError(f"{place}: the tables have a row {duplicate!r} already; rename the selection")
    if duplicate:
        raise InputError(f"{groups}: the tables have a row {duplicate!r} already; rename one")
    for selection in study.graph.selections.values():
        choosing = [*study.config["metrics"], *(f"judge-{name}" for name in study.judges_asked(PROMPT))]
        _known(_place_of_by(study.config, selection), [selection.by], choosing, "metrics and judges (judge-NAME)")
    _known("statistics: baseline", [study.config["statistics"]["baseline"]], rows, "the methods")
    _known("statistics: best_of", study.config["statistics"]["best_of"], rows, "the methods")
    _check_labels(study, rows)
    check_pairs(study)
    check_human_pairs(study)
    if study.budget["equal_compute"] == "gpu_seconds" and not study.budget["in_tables"]:
        raise InputError("budget: equal_compute: gpu_seconds is decided in the tables; set in_tables to true as well")
    if both := set(study.config["seeds"]) & set(study.config["extra_seeds"]):
        raise InputError(f"extra_seeds: {min(both)} is one of seeds already; remove it from one of the two")


def _place_of_by(config: dict, selection: Selection) -> str:
    """Place of the key that names what a selection chooses by; an entry of `refiners` has a setting for it."""
    group, name = selection.entry
    keys = [key for key, value in config[group][name].items() if value == selection.by] if group == REFINERS else []
    return f"{group}: {name}: {keys[0]}" if keys else f"{selection.place}: by"


def _check_values(value: object, key: str = "") -> None:
    """Refuse what no schema excludes: NaN, infinity, and texts that neither a file nor a command line can hold."""
    place = key.removeprefix(": ")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place}: {value} is not a number that can be used here; correct it")
    if isinstance(value, str) and (found := UNUSABLE.search(value)):
        raise InputError(f"{place}: {value[:80]!r} has the character {found[0]!r}, which no text can have; remove it")
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(name, f"{key}: {str(name)[:80]!r}")
            _check_values(inner, f"{key}: {name}")


def _check_names(config: dict) -> None:
    _known("study", config["study"], config["scenarios"], "scenarios")
    _known("image_model", [config["image_model"]], config["image_models"], "image_models")
    _known("seed_selector", [config["seed_selector"]], config["metrics"], "metrics")
    if config["topics"]:
        _known("roles", ["write"], config["roles"], "roles")
    for name, entry in [*config["critics"].items(), *config["rewriters"].items()]:
        _known(f"{name}: role", [entry["role"]], config["roles"], "roles")
    for name, entry in config["judges"].items():
        _known(f"judges: {name}: scenario_templates", entry["scenario_templates"], config["scenarios"], "scenarios")
    judges = [f"judge-{name}" for name in config["judges"]]
    gathered = [name for name, entry in config["external"].items() if "image_model" not in entry]
    known = dict.fromkeys([*config["roles"], *judges, *gathered])
    _known("refresh", config["refresh"], known, "roles, judges (judge-NAME) and external")
    for name, entry in config["external"].items():
        if "image_model" in entry:
            _known(f"external: {name}: image_model", [entry["image_model"]], config["image_models"], "image_models")
    for group in ("roles", "external", "judges"):
        for name, entry in config[group].items():
            if "endpoint" in entry:
                _known(f"{group}: {name}: endpoint", [entry["endpoint"]], config["endpoints"], "endpoints")
                if group == "external" and is_served(config["endpoints"][entry["endpoint"]]):
                    raise InputError(
                        f"external: {name}: endpoint {entry['endpoint']!r} serves text; draw the images here: "
                        f"`{name}: {{image_model: NAME}}`"
                    )


def _check_files(study: Study) -> None:
    config = study.config
    for key, path in _paths(config):
        if found := next((letter for letter in path if letter in "{}" or not letter.isprintable()), ""):
            raise InputError(f"{key}: the path {path!r} has a {found!r}, which the name of a file cannot have here")
        check_path(key, path)
    for name, entry in config["image_models"].items():
        check_path(f"image_models: {name}: path", entry["path"])
    for scenario in study.scenarios:
        if scenario in RESERVED:
            raise InputError(f"scenarios: {scenario!r} is a name that the pipeline uses itself; choose another")
        source = study.source(scenario)
        if not source.is_file() and not study.is_generated(scenario):
            raise InputError(f"scenarios: {scenario}: there is no file {source}; correct the path, or remove the line")
    for name, entry in config["topics"].items():
        if not Path(entry["file"]).is_file():
            raise InputError(f"topics: {name}: there is no file {entry['file']}; correct the path")
    for name, entry in config["external"].items():
        if "folder" in entry and not Path(entry["folder"]).is_dir():
            raise InputError(f"external: {name}: there is no folder {entry['folder']}; correct the path")
        if "table" in entry and not Path(entry["table"]).is_file():
            raise InputError(f"external: {name}: there is no file {entry['table']}; correct the path")


def _paths(config: dict) -> list[tuple[str, str]]:
    """Key and value of each path that becomes a file name of a rule, where a brace would be a wildcard."""
    files = [(f"topics: {name}", entry["file"]) for name, entry in config["topics"].items()]
    for name, entry in config["scenarios"].items():
        files.append((f"scenarios: {name}", entry if isinstance(entry, str) else entry["file"]))
    for name, entry in config["external"].items():
        files += [(f"external: {name}", entry[kind]) for kind in ("folder", "table") if kind in entry]
    folders = [("interacting_folder", config["interacting_folder"])]
    for group, key in (("noun_phrases", "folder"), ("human", "ratings_folder"), ("human", "released_folder")):
        folders.append((f"{group}: {key}", config[group][key]))
    return files + folders


def _check_steps(study: Study) -> None:
    steps = study.config["generation"]["steps"]
    for each in study.graph.refinements:
        if each.refiner != PROMPT_SWITCH:
            continue
        if steps < 2:
            raise InputError(f"generation: steps must be at least 2 for {each.name}, which takes over after a step")
        late = [values["k"] for values in each.image_sets.values() if values["k"] >= steps - 1]
        if late:
            raise InputError(
                f"{each.place}: after_step {late[0]} leaves no step for the refined prompt; "
                f"with {steps} steps it must be at most {steps - 2}"
            )


def _check_served_options(config: dict) -> None:
    """Refuse what a server that a job starts refuses, before it takes a GPU."""
    for group in ("roles", "judges"):
        for name, entry in config[group].items():
            endpoint = config["endpoints"][entry["endpoint"]]
            if not is_served(endpoint):
                continue
            model, program = entry["model"], server_program(endpoint)
            if model.startswith("-") or not model.isprintable() or len(model) > LONGEST_NAME:
                raise InputError(
                    f"{group}: {name}: model: {model[:80]!r} is no name that {program} can be given: at most "
                    f"{LONGEST_NAME} printable characters, of which the first is no hyphen; correct it"
                )
            refused = REFUSED.get(program, ())
            if entry.get("reply") == "structured" and SCHEMA in refused:
                raise InputError(f"{group}: {name}: reply: structured: {program} takes no JSON schema; set brackets")
            if found := [
                key for key in entry["options"] if key in refused and (key != SCHEMA or program == "transformers")
            ]:
                raise InputError(f"{group}: {name}: options: {found[0]}: {program} refuses it; remove it")


def _check_image_model(config: dict, name: str) -> None:
    try:
        check_options(config["image_models"][name], config["generation"])
    except InputError as error:
        raise InputError(f"image_models: {name}: {error}") from None


def _check_labels(study: Study, rows: list[str]) -> None:
    labels = study.config.get("labels", {})
    methods = [*rows, *study.image_sets(), *study.graph.selections]
    judges = [f"judge-{name}" for name in study.judging]
    _known("labels: methods", labels.get("methods", {}), methods, "the methods and image sets")
    _known("labels: metrics", labels.get("metrics", {}), [*study.metrics, *judges], "metrics and judges (judge-NAME)")


def _known(key: str, values: Iterable[str], known: Iterable[str], where: str) -> None:
    for value in values:
        if value not in known:
            raise InputError(f"{key}: {value!r} is not one of {where}: {known_names(value, sorted(known))}")


def _duplicate(names: list[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)
