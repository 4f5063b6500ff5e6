"""What a schema cannot say of a configuration: names that must exist, files that must be there, values that clash."""

from pathlib import Path

from detailscribe.errors import InputError

RESERVED = {
    "tables",
    "parameters",
    "folders",
    "all",
    "default",
    "fingerprints",
    "report",
    "verify",
    "retry",
    "prompts",
    "weights",
    "plan",
    "preflight",
}  # not for scenarios


def check(study) -> None:
    """Check the config of a `study.Study`.

    Raises:
        InputError: names the key, the value and the way out.
    """
    _check_names(study.config)
    _check_files(study)
    _check_steps(study.config)
    rows = [method.name for method in study.methods()]
    makers = "critics, rewriters and external"
    if twice := _twice(study.image_sets()):
        raise InputError(f"{makers} make the image set {twice!r} twice; rename one")
    if twice := _twice(rows):
        raise InputError(f"{makers}: the tables have a row {twice!r} already; rename one")
    _known("statistics: baseline", [study.config["statistics"]["baseline"]], rows, "the methods")
    if both := set(study.config["seeds"]) & set(study.config["extra_seeds"]):
        raise InputError(f"extra_seeds: {min(both)} is one of seeds already; remove it from one of the two")


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
    asked = dict.fromkeys([*config["roles"], *judges, *config["external"]])
    _known("refresh", config["refresh"], asked, "roles, judges (judge-NAME) and external")
    for group in ("roles", "external", "judges"):
        for name, entry in config[group].items():
            if "endpoint" in entry:
                _known(f"{group}: {name}: endpoint", [entry["endpoint"]], config["endpoints"], "endpoints")


def _check_files(study) -> None:
    config = study.config
    for scenario in study.scenarios:
        if scenario in RESERVED:
            raise InputError(f"scenarios: {scenario!r} is a name of the pipeline's own; choose another")
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


def _check_steps(config: dict) -> None:
    steps = config["generation"]["steps"]
    for name, entry in config["critics"].items():
        if entry["after_step"] == "scratch":
            continue
        if steps < 2:
            raise InputError(f"generation: steps must be at least 2 for {name}, which takes over after a step")
        late = [k for k in entry["after_step"] if k >= steps - 1]
        if late:
            raise InputError(
                f"critics: {name}: after_step {late[0]} leaves no step for the refined prompt; "
                f"with {steps} steps it must be at most {steps - 2}"
            )


def _known(key: str, values: list[str], known, where: str) -> None:
    for value in values:
        if value not in known:
            raise InputError(f"{key}: {value!r} is not one of {where}: {', '.join(sorted(known)) or 'none there'}")


def _twice(names: list[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)
