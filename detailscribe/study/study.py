"""The study that a configuration describes: its image sets, its methods, and the parameters of each stage.

Pure functions of the config and of the template files: nothing here loads a model, asks a model or writes a file.
A stage's parameters hold everything that decides its results and nothing else, so that a change of theirs, and only
that, redoes the stage. Where a service is reached, how many calls fly and how many shards there are is not in them.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from detailscribe import miniature
from detailscribe.engines.versions import release_versions
from detailscribe.engines.weights import local_folder, metric_folder
from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.methods.reply_parsing import answer_format
from detailscribe.prompts.interacting import SHA256
from detailscribe.prompts.noun_phrases import finder, read_corrections
from detailscribe.scores import is_file, load_metric
from detailscribe.study import tabulation, validation
from detailscribe.study.shards import shard_names
from detailscribe.tables.published import read_published

# Raise a number when a stage's way of working changes its results: the stage is then redone everywhere.
ALGORITHMS = {
    "write": 1,
    "decompose": 1,
    "generate": 2,
    "critique": 1,
    "rewrite": 1,
    "refine": 2,
    "external": 2,
    "phrases": 1,
    "judge": 2,
    "score": 2,
    "select": 1,
    "clean": 1,
    "tabulate": 2,
    "repeats": 1,
    "truncation": 1,
    "compare": 2,
    "plot": 2,
    "pool": 2,
    "cost": 1,
    "sets": 1,
    "report": 2,
    "reports": 1,
    "human_sheets": 2,
    "human_scores": 2,
    "human_agreement": 1,
    "human_released": 1,
    "miniature": 3,
    "weights": 1,
}
MINIATURE = "resources/miniature"
PAPER_SCENARIOS = {"functional_600", "compositional_200", "multi_subject_200"}
PAPER_HOSTED = "dall-e-3"  # the paper's hosted image model


@dataclass(frozen=True)
class Method:
    """A row of the tables: the image sets to choose from, and the choice shown first (the paper's, if it has one)."""

    name: str
    candidates: tuple[str, ...]
    headline: str  # single, oracle, mean or by:{metric}


class Study:
    """A validated configuration, with names resolved. `folder` is the workflow's own: templates and demo live there.

    Raises:
        InputError: a value contradicts another; names the key, the value and the way out.
    """

    def __init__(self, config: dict, folder: Path):
        self.config = config
        self.folder = Path(folder)
        self.scenarios = list(config["scenarios"])
        self.metrics = [*config["metrics"], *(f"judge-{name}" for name in config["judges"])]
        self.seeds = list(dict.fromkeys([*config["seeds"], *config["extra_seeds"]]))
        validation.check(self)
        self.image_model = config["image_models"][config["image_model"]]

    # ---- names -------------------------------------------------------------------------------------------------

    def source(self, scenario: str) -> Path:
        """The prompt file of a scenario: as the config writes it, or in the workflow's folder if it lies there."""
        entry = self.config["scenarios"][scenario]
        return self._find(entry if isinstance(entry, str) else entry["file"])

    def is_generated(self, scenario: str) -> bool:
        """Whether a rule makes the scenario's prompt file, which is then never the user's own."""
        interacting = {f"resources/interacting/{name}" for name in SHA256}
        written = {f"resources/written/{name}.jsonl" for name in self.config["topics"]}
        return str(self.source(scenario)) in interacting | written

    def shards(self, scenario: str) -> list[str]:
        """Shard names of a scenario."""
        entry = self.config["scenarios"][scenario]
        count = self.config["shards"] if isinstance(entry, str) else entry.get("shards", self.config["shards"])
        return shard_names(count)

    def originals(self) -> list[str]:
        """Image sets of the first images, one a seed."""
        return [f"original-{seed}" for seed in self.seeds]

    def candidates(self, critic: str) -> dict[str, int | None]:
        """Image sets of a critic, each with its k; None draws from the noise with the refined prompt alone."""
        after_step = self.config["critics"][critic]["after_step"]
        return {critic: None} if after_step == "scratch" else {f"{critic}-k{k}": k for k in after_step}

    def image_sets(self) -> list[str]:
        """Every image set of a scenario."""
        refined = [name for critic in self.config["critics"] for name in self.candidates(critic)]
        return [*self.originals(), *self.config["rewriters"], *refined, *self.config["external"]]

    def stage_by_image_set(self) -> dict[str, str]:
        """The stage that makes each image set."""
        refined = {name for critic in self.config["critics"] for name in self.candidates(critic)}
        return {
            name: "refine" if name in refined else "external" if name in self.config["external"] else "generate"
            for name in self.image_sets()
        }

    def methods(self) -> list[Method]:
        """Rows of the tables, in the paper's order."""
        originals = self.originals()
        seeds = tuple(f"original-{seed}" for seed in self.config["seeds"])
        rows = [Method("sd", (originals[0],), "single")]
        rows += [Method(name, (name,), "single") for name in self.config["rewriters"]]
        critics = [Method(name, tuple(self.candidates(name)), "oracle") for name in self.config["critics"]]
        rows += [Method(row.name, row.candidates, "single") for row in critics if len(row.candidates) == 1]
        if len(seeds) > 1:
            rows.append(Method("multi_seed", seeds, f"by:{self.config['seed_selector']}"))
        if self.config["extra_seeds"]:
            # The first image and each candidate cost one image of a seed, as the released code draws them.
            paid_for = originals[: 1 + max((len(row.candidates) for row in critics), default=len(originals))]
            rows.append(Method("equal_compute_seeds", tuple(paid_for), "by:" + self.config["seed_selector"]))
        rows += [Method(name, (name,), "single") for name in self.config["external"]]
        return rows + [row for row in critics if len(row.candidates) > 1]

    def rated_methods(self) -> list[Method]:
        """Methods whose images raters see; one without candidates has no image of its own to show."""
        shown = {method.name: method.candidates for method in self.methods() if not method.headline.startswith("by:")}
        if self.methods_named("multi_seed"):
            shown["multi_seed"] = ("multi_seed",)  # the picked image, under this name in the dictionary
        return [Method(name, shown.get(name, ()), "oracle") for name in self.config["human"]["methods"]]

    # ---- parameters --------------------------------------------------------------------------------------------

    def parameters(self) -> dict[str, dict]:
        """Parameters of every stage, by the name of their file in results/parameters/."""
        config = self.config
        drawing = {"model": self._drawing_model(), "generation": self._generation()}
        files = {
            "miniature": {"weights": miniature.about()["files"]},
            "decompose": self._role("decompose", config["templates"]["decompose"], "brackets"),
            "select": {"candidates": self.methods_named("multi_seed"), "metric": config["seed_selector"]},
            "clean": {"stage_of": self.stage_by_image_set(), "metrics": self.metrics},
            "tabulate": tabulation.settings(self),
            "compare": {
                "published": read_published(self._find("config/published.tsv")),
                # The paper's judges grade from 1 to 5; a yes or no cannot be set beside them.
                "judges": {
                    f"judge-{name}": entry["model"]
                    for name, entry in config["judges"].items()
                    if entry["scale"] == "grade"
                },
                "replaced": self._replaced(),
                "miniature": bool(self.image_model["notice"]),
                "whole": set(config["study"]) == PAPER_SCENARIOS,
            },
            "pool": {"scenarios": config["study"], **tabulation.settings(self)},
            "repeats": {"judges": [f"judge-{name}" for name in config["judges"]]},
            "truncation": self._readers(),
            "sets": {"image_sets": self.image_sets()},
            "plot": {
                "notice": self.image_model["notice"],
                "steps": tabulation.steps(self),
                "selector": config["seed_selector"],
            },
            "cost": {key: sorted(config[key]) for key in ("critics", "rewriters", "external", "judges")},
            "report": {
                "notice": self.image_model["notice"],
                "methods": [vars(method) for method in self.methods()],
                "critics": [{"name": name, "candidates": list(self.candidates(name))} for name in config["critics"]],
            },
            "reports": {"notice": self.image_model["notice"], "scenarios": config["study"]},
        }
        human = {"methods": [vars(method) for method in self.rated_methods()], "raters": config["human"]["raters"]}
        drawn = {key: config["human"][key] for key in ("prompts", "prompts_per_sheet", "seed")}
        counted = {"bootstrap": config["bootstrap"], "ties_win": config["quirks"]["ties_win"]}
        files |= {"human_sheets": {**human, **drawn}, "human_scores": {**human, **counted}}
        files["human_agreement"] = {
            "metrics": self.metrics,
            "bootstrap": config["bootstrap"],
            "notice": self.image_model["notice"],
        }
        files["human_released"] = {**counted, "published": read_published(self._find("config/published.tsv"))}
        for name, entry in config["topics"].items():
            template = config["templates"]["write"][entry["kind"]]
            files[f"write-{name}"] = {
                **self._role("write", template, "brackets"),
                "kind": entry["kind"],
                "attempts": config["topic_attempts"],
            }
        for seed in self.seeds:
            files[f"generate-{seed}"] = {**drawing, "seed": seed}
        for name, entry in config["critics"].items():
            role = self._role(entry["role"], entry["template"], entry["reply"])
            files[f"critique-{name}"] = {**role, "decomposition": entry["decomposition"], "seed": self.seeds[0]}
            files[f"refine-{name}"] = {**drawing, "seed": self.seeds[0], "candidates": self.candidates(name)}
            if entry["after_step"] != "scratch":
                files[f"refine-{name}"]["batch"] = self.image_model["batch"]
        for name, entry in config["rewriters"].items():
            files[f"rewrite-{name}"] = self._role(entry["role"], entry["template"], entry["reply"])
            files[f"generate-{name}"] = {**drawing, "seed": self.seeds[0]}
        for name, entry in config["external"].items():
            keep = {key: value for key, value in entry.items() if key != "endpoint"}
            saving = {key: value for key, value in self._generation().items() if key in ("format", "quality")}
            files[f"external-{name}"] = {**keep, **self._refresh(name), "generation": saving}
        files |= {f"weights-{name}": needs for name, needs in self.hub_weights().items()}
        for name, entry in config["metrics"].items():
            files[f"score-{name}"] = {**entry, **self._metric(entry)}
        for name, entry in config["judges"].items():
            structured = entry["reply"] == "structured"
            files[f"judge-{name}"] = {
                "model": entry["model"],
                "template": self._template(entry["template"]),
                "scenario_templates": {
                    scenario: self._template(template) for scenario, template in entry["scenario_templates"].items()
                },
                "options": entry["options"] | (answer_format(entry["scale"]) if structured else {}),
                "scale": entry["scale"],
                "structured": structured,
                **self._refresh(f"judge-{name}"),
                "draws": entry["draws"],
                "topic_cut": config["quirks"]["judge_topic_cut"],
                "missing_score": config["quirks"]["judge_missing_score"],
            }
        if any(self.reads_phrases(name) for name in config["metrics"]):
            found = finder(config["noun_phrases"]["by"])
            for scenario in self.scenarios:
                corrections = read_corrections(Path(config["noun_phrases"]["folder"]) / f"{scenario}.jsonl")
                files[f"phrases-{scenario}"] = {**found, "corrections": corrections}
        return {
            name: {"stage": (stage := name.split("-")[0]), "algorithm": ALGORITHMS[stage], **values}
            for name, values in files.items()
        }

    def watched_folders(self) -> dict[str, Path]:
        """Folders of the user's whose files decide results: imported images, and models on this machine."""
        folders = {
            f"external-{name}": entry["folder"] for name, entry in self.config["external"].items() if "folder" in entry
        }
        if self.config["human"]["released_folder"]:
            folders["human-released"] = self.config["human"]["released_folder"]
        models = self.model_folders()
        folders |= {name: path for name, path in models.items() if not path.startswith(f"{MINIATURE}/")}
        return {name: Path(path) for name, path in folders.items() if Path(path).is_dir()}

    def watched_tables(self) -> dict[str, Path]:
        """Tables of the user's that name images, whose files decide results as well."""
        return {
            f"external-{name}": Path(entry["table"])
            for name, entry in self.config["external"].items()
            if "table" in entry
        }

    def model_folders(self) -> dict[str, str]:
        """Where the image model (`model`) and the metrics with a folder (`score-{name}`) look for their weights."""
        metrics = {f"score-{name}": metric_folder(entry) for name, entry in self.config["metrics"].items()}
        return {"model": self.image_model["path"], **{name: folder for name, folder in metrics.items() if folder}}

    def reads_phrases(self, metric: str) -> bool:
        """Whether a metric reads the noun phrases of the prompts."""
        return getattr(load_metric(self.config["metrics"][metric]["module"]), "READS_PHRASES", False)

    def environment(self, metric: str) -> str:
        """Name of the one in envs/ that a metric runs in."""
        return getattr(load_metric(self.config["metrics"][metric]["module"]), "ENVIRONMENT", "scores")

    def hub_weights(self) -> dict[str, dict]:
        """What says which weights come from the hub: of the image model (`model`), and of metrics (`score-{name}`)."""
        model = {key: self.image_model[key] for key in ("path", "revision")}
        needs = {"model": model} if local_folder(model["path"], must_exist=False) is None else {}
        for name, entry in self.config["metrics"].items():
            if hasattr(load_metric(entry["module"]), "weights") and not metric_folder(entry):
                needs[f"score-{name}"] = entry
        return needs

    def methods_named(self, name: str) -> list[str]:
        """Candidates of the method of this name; empty if there is none."""
        return [candidate for method in self.methods() if method.name == name for candidate in method.candidates]

    def asked(self, stage: str, name: str = "") -> tuple[str, str] | None:
        """Endpoint and model that a stage asks: decompose, write, critique, rewrite, external or judge; None for images
        from a folder or table."""
        config = self.config
        if stage in ("critique", "rewrite"):
            entry = config["roles"][config["critics" if stage == "critique" else "rewriters"][name]["role"]]
        elif stage in ("external", "judge"):
            entry = config["external" if stage == "external" else "judges"][name]
        else:
            entry = config["roles"][stage]
        return (entry["endpoint"], entry["model"]) if "endpoint" in entry else None

    def endpoint(self, stage: str, name: str = "") -> str:
        """Which endpoint serves a stage (`asked`); empty for none."""
        return (self.asked(stage, name) or ("",))[0]

    def asking(self) -> list[tuple[str, str]]:
        """Stage and name of everything that asks a model."""
        config = self.config
        found = [("decompose", "")] + [("critique", name) for name in config["critics"]]
        found += [("rewrite", name) for name in config["rewriters"]] + [
            ("external", name) for name in config["external"]
        ]
        found += [("judge", name) for name in config["judges"]] + [("write", "")] * bool(config["topics"])
        return [each for each in found if self.asked(*each)]

    # ---- pieces ------------------------------------------------------------------------------------------------

    def _role(self, role: str, template: str, reply: str) -> dict:
        entry = self.config["roles"][role]
        return {
            "model": entry["model"],
            "template": self._template(template),
            "options": entry["options"],
            "reply": reply,
            **self._refresh(role),
        }

    def _metric(self, entry: dict) -> dict:
        """What decides a metric's scores besides its entry: the code of it, and the libraries it stands on."""
        metric = load_metric(entry["module"])
        found = {"metric_algorithm": metric.ALGORITHM}
        if is_file(entry["module"]):
            found["module_sha256"] = file_sha256(Path(entry["module"]))
        if environment := getattr(metric, "ENVIRONMENT", ""):
            text = (self.folder / "envs" / f"{environment}.yaml").read_text(encoding="utf-8")
            return {**found, "libraries": yaml.safe_load(text)["dependencies"][-1]["pip"]}
        return {**found, "libraries": release_versions(metric.LIBRARIES)}

    def _readers(self) -> dict:
        """Who reads texts, and which texts the image model reads besides the prompts."""
        keys = ("path", "revision", "max_sequence_length")
        return {
            "image_model": {key: self.image_model[key] for key in keys},
            "metrics": {name: {**entry, **self._metric(entry)} for name, entry in self.config["metrics"].items()},
            "texts": [*self.config["rewriters"], *self.config["critics"]],
        }

    def _refresh(self, name: str) -> dict:
        # Absent until it is used, so that a study that never asked anew keeps its parameter files.
        count = self.config["refresh"].get(name, 0)
        return {"refresh": count} if count else {}

    def _template(self, name: str) -> dict:
        path = self._find(name if "/" in name or "." in name else f"config/templates/{name}.yaml")
        if not path.is_file():
            raise InputError(f"template {name!r}: no file {path}; write it, or name one of config/templates")
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
        if not isinstance(value, dict) or set(value) != {"system", "user"}:
            raise InputError(f"{path}: a template has exactly the keys system and user")
        return value

    def _find(self, path: str) -> Path:
        beside_workflow = self.folder / path
        return beside_workflow if not Path(path).exists() and beside_workflow.exists() else Path(path)

    def _generation(self) -> dict:
        # 4 and 4.0 are one guidance; a PNG has no quality.
        generation = {**self.config["generation"], "guidance": float(self.config["generation"]["guidance"])}
        if generation["format"] == "png":
            del generation["quality"]
        return generation

    def _drawing_model(self) -> dict:
        # How parts move between memories (offload) and what a page warns of (notice) change no image, and what goes
        # in one batch (batch) none of those that are drawn alone.
        return {key: value for key, value in self.image_model.items() if key not in ("offload", "notice", "batch")}

    def _replaced(self) -> dict[str, str]:
        # An imported folder may hold the paper's own images; another hosted model certainly makes others.
        model = self.config["external"].get("hosted", {}).get("model", PAPER_HOSTED)
        return {} if model == PAPER_HOSTED else {"hosted": model}
