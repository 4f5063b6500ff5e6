"""The study that a configuration describes: names of its scenarios, shards, image sets, methods and models.

Pure functions of the configuration: nothing here loads a model, sends a request or writes a file. The parameters of a
stage stand in the module whose results they decide (`parameters(study)` beside its `ALGORITHM`).
"""

from functools import cached_property
from pathlib import Path

from detailscribe.files.brought_files import resolve_path
from detailscribe.study import validation
from detailscribe.study.image_graph import ImageGraph
from detailscribe.study.interacting import SHA256
from detailscribe.study.judging.audited import audited_critics
from detailscribe.study.judging.judges import PAIRS, PARTS, PROMPT, REMARKS, configured_judges, metrics_of, names_of
from detailscribe.study.judging.pair_schedule import compared_methods
from detailscribe.study.methods import Method, configured_methods, steps_by_set
from detailscribe.study.refinements import Needs, candidates_of_critic
from detailscribe.study.shards import shard_names

MINIATURE = "resources/miniature"  # folder of the miniature models, built on demand


class Study:
    """A validated configuration, with names resolved.

    Args:
        config: The configuration, valid under config.schema.yaml.
        folder: The workflow's own folder, which holds the templates and the demo's prompts.

    Attributes:
        scenarios, seeds: Names, and numbers of the initial images.
        judging: Every judge by name.
        judges: Those that score images, as the folders of their scores are named (`judge-{name}`).
        scorers: Metrics and judges with a folder of scores each.
        metrics: Columns of the tables; a judge that is asked about parts gives two.

    Raises:
        InputError: a value contradicts another; names the key, the value and the remedy.
    """

    def __init__(self, config: dict, folder: Path):
        self.config = config
        self.folder = Path(folder)
        self.scenarios: list[str] = list(config["scenarios"])
        self.judging = configured_judges(config["judges"])
        scoring = [judge for judge in self.judging.values() if judge.asks in (PROMPT, PARTS)]
        self.judges: list[str] = [f"judge-{judge.name}" for judge in scoring]
        self.scorers: list[str] = [*config["metrics"], *self.judges]
        self.metrics: list[str] = [*config["metrics"], *metrics_of(scoring)]
        self.seeds: list[int] = list(dict.fromkeys([*config["seeds"], *config["extra_seeds"]]))
        validation.check_study(self)

    @cached_property
    def image_model(self) -> dict:
        """The config entry of the image model."""
        return self.config["image_models"][self.config["image_model"]]

    @property
    def budget(self) -> dict:
        """The config's `budget`: whether the tables show costs, and what the seeds at equal compute have in common."""
        return self.config["budget"]

    # ---- prompts -----------------------------------------------------------------------------------------------

    def source(self, scenario: str) -> Path:
        """The prompt file of a scenario, relative to the working directory or to the workflow's folder."""
        entry = self.config["scenarios"][scenario]
        return self.resolve(entry if isinstance(entry, str) else entry["file"])

    def is_generated(self, scenario: str) -> bool:
        """Whether a rule writes the scenario's prompt file; otherwise the file is the user's own."""
        interacting = {f"resources/interacting/{name}" for name in SHA256}
        written = {f"resources/written/{name}.jsonl" for name in self.config["topics"]}
        return str(self.source(scenario)) in interacting | written

    def shards(self, scenario: str) -> list[str]:
        """Shard names of a scenario."""
        entry = self.config["scenarios"][scenario]
        count = self.config["shards"] if isinstance(entry, str) else entry.get("shards", self.config["shards"])
        return shard_names(count)

    def resolve(self, path: str) -> Path:
        """A path of the config: in the working directory if it exists there, otherwise in the workflow's folder."""
        return resolve_path(path, self.folder)

    # ---- image sets and methods --------------------------------------------------------------------------------

    def originals(self) -> list[str]:
        """Image sets of the initial images, one per seed."""
        return [f"original-{seed}" for seed in self.seeds]

    @property
    def drawn(self) -> dict[str, str]:
        """External image sets that jobs here draw with another image model, and its name in `image_models`."""
        external = self.config["external"].items()
        return {name: entry["image_model"] for name, entry in external if "image_model" in entry}

    @property
    def other_image_models(self) -> list[str]:
        """Entries of `image_models` that jobs load besides the study's own."""
        refiners = [job.image_model for job in self.graph.jobs if job.image_model]
        return list(dict.fromkeys([*self.drawn.values(), *refiners]))

    def machine_with(self, image_model: str) -> dict:
        """`machine` of an entry of `image_models`; of the study's own for an empty name."""
        if not image_model:
            return self.machine
        model = self.config["image_models"][image_model]
        return {"offload": model["offload"], "batch": model["batch"]}

    @property
    def machine(self) -> dict:
        """What a loaded image model needs to know besides what decides its images.

        `offload`, `batch` and, if refinements reuse first steps, `first_steps`: the image set and the ks.
        """
        machine = {"offload": self.image_model["offload"], "batch": self.image_model["batch"]}
        ks = self.first_step_ks()
        return machine | ({"first_steps": {"image_set": self.originals()[0], "ks": ks}} if ks else {})

    def first_step_ks(self) -> list[int]:
        """The ks after which refinements continue latents of the initial image; empty unless they are reused."""
        reusing = [each for each in self.graph.refinements if self.graph.reuses_first_steps(each)]
        return sorted({k for each in reusing for values in each.image_sets.values() if (k := values["k"])})

    @cached_property
    def graph(self) -> ImageGraph:
        """What starts from images: refinements and selections."""
        return ImageGraph(self.config, self.originals()[0])

    def candidates(self, critic: str) -> dict[str, int | None]:
        """Image sets of a critic with their k; None starts from noise with the refined prompt alone."""
        return candidates_of_critic(critic, self.config["critics"][critic])

    @property
    def rewritten(self) -> list[str]:
        """Image sets of the rewriters that start from the prompt itself."""
        return [name for name, entry in self.config["rewriters"].items() if "of" not in entry]

    def sets_by_stage(self) -> dict[str, list[str]]:
        """Image sets of a scenario by the stage that makes them: generate (from text alone), refine, external."""
        refined = [name for refinement in self.graph.refinements for name in refinement.image_sets]
        from_text = [*self.originals(), *self.rewritten]
        return {"generate": from_text, "refine": refined, "external": list(self.config["external"])}

    def image_sets(self) -> list[str]:
        """Every image set of a scenario."""
        return [name for names in self.sets_by_stage().values() for name in names]

    def stage_by_image_set(self) -> dict[str, str]:
        """The stage that makes each image set: generate, refine or external."""
        return {name: stage for stage, names in self.sets_by_stage().items() for name in names}

    def methods(self) -> list[Method]:
        """Rows of the tables, in the paper's order."""
        return configured_methods(self)

    def needs_of(self, method: Method) -> Needs:
        """Everything that the images of a method are made with."""
        return self.graph.needs([method.name] if method.name in self.graph.selections else method.candidates)

    @cached_property
    def steps_by_set(self) -> dict[str, dict]:
        """What the images of each set cost (`methods.steps_by_set`)."""
        return steps_by_set(self)

    def candidates_of_method(self, name: str) -> list[str]:
        """Image sets that the method of this name chooses from; empty if there is no such method."""
        return [candidate for method in self.methods() if method.name == name for candidate in method.candidates]

    def judges_asked(self, asks: str) -> list[str]:
        """Names of the judges that are asked about the prompt, its parts, a critique's remarks, or pairs.

        One of pairs without two methods to compare, or of remarks without a critic, which only the demo's may be, is
        asked nothing.
        """
        names = names_of(self.judging, asks)
        if asks == PAIRS:
            return [name for name in names if len(compared_methods(self, name)) > 1]
        return [name for name in names if audited_critics(self, name)] if asks == REMARKS else names

    # ---- language models ---------------------------------------------------------------------------------------

    def endpoint_and_model(self, stage: str, name: str = "") -> tuple[str, str] | None:
        """Endpoint and model of a stage: decompose, write, critique, rewrite, external or judge.

        Returns:
            None for an external image set that is imported from a folder or table.
        """
        entry = self.llm_entry(stage, name)
        return (entry["endpoint"], entry["model"]) if "endpoint" in entry else None

    def llm_entry(self, stage: str, name: str = "") -> dict:
        """The config entry that decides the requests of a stage: of its role, its judge or its external image set."""
        config = self.config
        if stage in ("critique", "rewrite"):
            return config["roles"][config["critics" if stage == "critique" else "rewriters"][name]["role"]]
        if stage in ("external", "judge"):
            return config["external" if stage == "external" else "judges"][name]
        return config["roles"][stage]

    def endpoint_of(self, stage: str, name: str = "") -> str:
        """Name of the endpoint that serves a stage (see `endpoint_and_model`); empty for none."""
        return (self.endpoint_and_model(stage, name) or ("",))[0]

    def llm_stages(self) -> list[tuple[str, str]]:
        """(stage, name) of everything that sends requests to a model."""
        config = self.config
        stages = [
            ("decompose", ""),
            *(("critique", name) for name in config["critics"]),
            *(("rewrite", name) for name in config["rewriters"]),
            *(("external", name) for name in config["external"]),
            *(("judge", name) for name in config["judges"]),
            *([("write", "")] if config["topics"] else []),
        ]
        return [each for each in stages if self.endpoint_and_model(*each)]
