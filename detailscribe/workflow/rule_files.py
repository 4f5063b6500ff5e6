"""Files that rules declare: input functions and the outputs of each stage, as paths of a study."""

from collections.abc import Callable, Iterable
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.brought_files import brought_files
from detailscribe.files.packed import ARCHIVE
from detailscribe.human.ratings import PAIRS_FOLDER, choice_files, rating_file
from detailscribe.scores.metric_facts import any_reads_phrases, environment_of, reads_phrases
from detailscribe.scores.model_weights import hub_weights, image_weights_name, model_folders, served_weights_name
from detailscribe.study.judging.human_pairs import human_pair_parameters
from detailscribe.study.served import gpus_of, is_served_stage
from detailscribe.study.stages import BUDGET, STAGES, stage_outputs
from detailscribe.study.study import MINIATURE, Study
from detailscribe.workflow.graph_files import GraphFiles
from detailscribe.workflow.judge_files import JudgeFiles
from detailscribe.workflow.watched import watched_folders, watched_tables

# Tables of human/ that the report shows.
HUMAN_TABLES = (
    *("main", "raters", "reliability", "agreement", "assisted", "worth"),
    *("pair_main", "strengths", "pair_raters", "pair_reliability"),
)
GPU_THREADS = 4  # of a job with a full-size model: reading weights, tokenizers, image files
InputFunction = Callable[..., list[str]]  # of the wildcards of a job


class RuleFiles(GraphFiles, JudgeFiles):
    """Paths of a study's files, for the rules.

    Args:
        study: The study.
        folder: The workflow's own folder.

    Attributes:
        captions: Captions of the tables and figures that the report shows.
        budget: Name of the table and figure of costs, if they belong to the report.
    """

    def __init__(self, study: Study, folder: Path):
        super().__init__(study)
        self.budget = [BUDGET] if study.budget["in_tables"] else []
        captions = sorted((folder / "rules" / "captions").glob("*.rst"))
        self.captions = [str(path) for path in captions if self.budget or not path.stem.endswith(f"_{BUDGET}")]
        self._hub_weights = hub_weights(study)
        self._model_folders = model_folders(study)
        self._watched = {**watched_folders(study), **watched_tables(study)}

    # ---- outputs -----------------------------------------------------------------------------------------------

    def of_stage(self, scenario: str, stage: str) -> list[str]:
        """Every file that a stage of a scenario ends in."""
        return self.per_shard(scenario, stage_outputs(self._study, stage))

    def of_all_stages(self, scenario: str) -> list[str]:
        """Every file of a scenario that can be made without people's ratings."""
        return [file for stage in STAGES for file in self.of_stage(scenario, stage)]

    def rows_of(self, scenario: str) -> list[str]:
        """Every file of rows that the dictionary and the dropped rows are made from."""
        return [file for stage in STAGES[: STAGES.index("tables")] for file in self.of_stage(scenario, stage)]

    def per_shard(self, scenario: str, patterns: Iterable[str]) -> list[str]:
        """Paths of patterns below results/{scenario}/, `{shard}` replaced by each shard of the scenario."""
        shards = self._study.shards(scenario)
        return [
            f"results/{scenario}/{pattern}".replace("{shard}", shard)
            for pattern in patterns
            for shard in (shards if "{shard}" in pattern else [""])
        ]

    def manifests(self, scenario: str) -> list[str]:
        """Manifests of every image set of a scenario."""
        return self.per_shard(scenario, [f"images/{name}/{{shard}}.jsonl" for name in self._study.image_sets()])

    def rewrites(self, scenario: str) -> list[str]:
        """Rewritten prompts of a scenario."""
        names = self._study.config["rewriters"]
        return self.per_shard(scenario, [f"rewrites/{name}/{{shard}}.jsonl" for name in names])

    def selections(self, scenario: str) -> list[str]:
        """What the selections of a scenario chose; not that of `multi_seed`."""
        names = self._study.graph.selections
        return self.per_shard(scenario, [f"selections/{name}/{{shard}}.jsonl" for name in names])

    def judge_scores(self, scenario: str) -> list[str]:
        """Scores of every judge of a scenario that scores images."""
        return self.per_shard(scenario, [f"scores/{judge}/{{shard}}.jsonl" for judge in self._study.judges])

    def rows_with_exchanges(self, scenario: str) -> list[str]:
        """Every file of rows that name recorded exchanges."""
        return [
            *self.of_stage(scenario, "decompose"),
            *self.of_stage(scenario, "critique"),
            *self.rewrites(scenario),
            *self.of_stage(scenario, "external"),
            *self.judge_scores(scenario),
            *self.of_stage(scenario, "audit"),
            *self.of_stage(scenario, "pair"),
        ]

    def rows_with_costs(self, scenario: str) -> list[str]:
        """Every file of rows that tells what a method costs: images, and answers with their exchanges."""
        of_no_method = {*self.of_stage(scenario, "audit"), *self.of_stage(scenario, "pair")}
        files = dict.fromkeys([*self.manifests(scenario), *self.rows_with_exchanges(scenario)])
        return [file for file in files if file not in of_no_method]

    def measured_seconds(self, scenario: str) -> list[str]:
        """Ledgers of measured seconds of a scenario, those that exist: what is measured anew is counted anew."""
        return sorted(map(str, Path(f"results/{scenario}/ledgers/seconds").glob("*/*.jsonl")))

    def costs_in_tables(self, scenario: str) -> list[str]:
        """The costs of a scenario's methods, if its main table has them."""
        return [f"results/{scenario}/tables/method_costs.csv"] if self.budget else []

    def exchanges_of_prompts(self, scenario: str) -> list[str]:
        """The list of the exchanges that wrote a scenario's prompts; none for prompts that no model of the study wrote.

        Also none where the prompts came without it.
        """
        prompts = self._study.source(scenario)
        written = str(prompts).startswith("resources/written/") and self._study.is_generated(scenario)
        listing = f"resources/written/{prompts.stem}.exchanges.txt"
        return [listing] if written and (Path(listing).is_file() or not prompts.is_file()) else []

    def noun_phrases(self, scenario: str) -> list[str]:
        """Noun phrases of a scenario, if a metric reads them."""
        return self.per_shard(scenario, ["noun_phrases/{shard}.jsonl"]) if any_reads_phrases(self._study) else []

    # ---- input functions ---------------------------------------------------------------------------------------

    def image_folder(self, *image_sets: str) -> InputFunction:
        """Input function: the folders of a shard's images in these image sets, and their archives, those that exist.

        A file deleted from a folder or an archive makes it newer than its manifest, and the job runs again.
        """

        def folders(wildcards) -> list[str]:
            names = [image_set.format(**wildcards) for image_set in image_sets]
            paths = [f"results/{wildcards.scenario}/images/{name}/{wildcards.shard}" for name in names]
            archives = [f"{path}/{ARCHIVE}" for path in paths]
            return [path for path in [*paths, *archives] if Path(path).exists()]

        return folders

    def decompositions_of_critic(self, wildcards) -> str | list[str]:
        """The decompositions, for a critic that is shown them."""
        path = f"results/{wildcards.scenario}/decompositions/{wildcards.shard}.jsonl"
        return path if self._study.config["critics"][wildcards.critic]["decomposition"] else []

    def phrases_of_metric(self, wildcards) -> list[str]:
        """The noun phrases of a shard, for a metric that reads them."""
        path = f"results/{wildcards.scenario}/noun_phrases/{wildcards.shard}.jsonl"
        return [path] if reads_phrases(self._study, wildcards.metric) else []

    def texts_of_scenario(self, wildcards) -> list[str]:
        """Rewritten and refined prompts of a scenario."""
        critiques = [f"critiques/{name}/{{shard}}.jsonl" for name in self._study.config["critics"]]
        return [*self.rewrites(wildcards.scenario), *self.per_shard(wildcards.scenario, critiques)]

    def filled_sheets(self, wildcards) -> list[str]:
        """Each rater's ratings: the table that the rating page exported if there is one, otherwise the workbook.

        Raises:
            SetupError: a rater has neither; says what to do.
        """
        human = self._study.config["human"]
        folder = f"{human['ratings_folder']}/{wildcards.scenario}"
        files = {rater: rating_file(Path(folder), rater) for rater in human["raters"]}
        if missing := [rater for rater, file in files.items() if not file.is_file()]:
            if unread := [str(path) for path in brought_files(Path(folder)) if path.stem in missing]:
                raise SetupError(f"human: raters: {', '.join(unread)} cannot be read; save it as .xlsx or .csv")
            raise SetupError(
                f"human: raters: no filled sheet {folder}/NAME.xlsx or NAME.csv of {', '.join(missing)}; "
                f"`snakemake {wildcards.scenario}_human_sheets` writes empty ones into "
                f"results/{wildcards.scenario}/human/sheets/send/; "
                f"put the filled ones into {folder}/ under their names, or take the rater out of the list"
            )
        return [f"{folder}/{file.name}" for file in files.values()]

    def ratings_folder(self, wildcards) -> list[str]:
        """The folder of the filled sheets, if there is one: a file added to it makes it newer, and it is read again."""
        folder = f"{self._study.config['human']['ratings_folder']}/{wildcards.scenario}"
        return [folder] if Path(folder).is_dir() else []

    def ratings(self, wildcards) -> list[str]:
        """The ratings of a scenario, if people have given some."""
        return self.human_table(wildcards.scenario, "ratings")

    def human_table(self, scenario: str, name: str) -> list[str]:
        """A table of a scenario's folder human/, if it is there."""
        path = f"results/{scenario}/human/{name}.csv"
        return [path] if Path(path).exists() else []

    def people(self, scenario: str) -> list[str]:
        """Tables of what people rated and compared that the report shows, those that are there."""
        return [path for name in HUMAN_TABLES for path in self.human_table(scenario, name)]

    def scores_of_human_pairs(self, wildcards) -> list[str]:
        """The scores by which an image of each compared method is selected for people, if one has several."""
        by = human_pair_parameters(self._study)["by"]
        return self.per_shard(wildcards.scenario, [f"scores/{by}/{{shard}}.jsonl"]) if by else []

    def pairs_folder(self, wildcards) -> list[str]:
        """The folder of the tables that pages of pairs exported, if there is one: as `ratings_folder`."""
        folder = self.folder_of_choices(wildcards.scenario)
        return [str(folder)] if folder.is_dir() else []

    def filled_pairs(self, wildcards) -> list[str]:
        """Tables that pages of pairs exported, those that are there."""
        return [str(path) for path in choice_files(self.folder_of_choices(wildcards.scenario))]

    def folder_of_choices(self, scenario: str) -> Path:
        """Where the tables that pages of pairs exported belong."""
        return Path(self._study.config["human"]["ratings_folder"]) / scenario / PAIRS_FOLDER

    def human_pairs(self, wildcards) -> list[str]:
        """The choices of people who compared pairs of a scenario, if there are some."""
        return [f"results/{wildcards.scenario}/human/pairs.csv"] if self.filled_pairs(wildcards) else []

    def ratings_beside_pairs(self, wildcards) -> list[str]:
        """The ratings of a scenario, for what also reads choices: none where people only compared pairs."""
        human = self._study.config["human"]
        folder = Path(human["ratings_folder"]) / wildcards.scenario
        rated = any(rating_file(folder, rater).is_file() for rater in human["raters"])
        return [] if self.filled_pairs(wildcards) and not rated else [f"results/{wildcards.scenario}/human/ratings.csv"]

    # ---- weights and watched files -----------------------------------------------------------------------------

    def weights(self, name: str) -> list[str]:
        """Files that stand for a model's weights: fetched or built by a rule, or the listing of the user's folder.

        Args:
            name: `model` for the image model, `score-{metric}` for a metric; others as in `hub_weights`.
        """
        if name in self._hub_weights:
            return [f"results/weights/{name}.json"]
        built = self._model_folders.get(name, "").startswith(f"{MINIATURE}/")
        return [f"{MINIATURE}/digests.json"] if built else self.listing(name)

    def drawn_weights_name(self, external: str) -> str:
        """Name of the weights of the image model that draws an external set, for `weights` and `gpu_threads`."""
        return image_weights_name(self._study, self._study.drawn[external])

    def drawing_memory_mb(self, external: str) -> int:
        """Main memory of a job that draws an external set with an image model of its own."""
        from detailscribe.operations.pilot.model_needs import main_memory_mb  # studies without such a set need it not

        return main_memory_mb(self._study, self._study.drawn[external])

    def served_weights(self, stage: str, name: str = "") -> list[str]:
        """Files that stand for the weights of the model that a stage's jobs serve; none for a model elsewhere.

        A replay starts no server and needs none either.
        """
        endpoint = self._study.endpoint_of(stage, name)
        weights = served_weights_name(self._study, endpoint) if endpoint and self._is_live else ""
        return self.weights(weights) if weights else []

    def all_weights(self) -> list[str]:
        """Files that stand for the weights of every model of the study."""
        return sorted({file for name in {**self._hub_weights, **self._model_folders} for file in self.weights(name)})

    def reader_weights(self) -> list[str]:
        """Files that stand for the weights in folders, whose tokenizers count tokens."""
        names = [name for name in self._model_folders if not name.startswith("model-")]
        return sorted({file for name in names for file in self.weights(name)})

    def listing(self, name: str) -> list[str]:
        """The listing of a watched folder or table, which is rewritten when one of its files changes."""
        return [f"results/folders/{name}.json"] if name in self._watched else []

    def gpu_threads(self, name: str) -> int:
        """Threads of a job with this model (`weights`): one for a miniature, which is fastest so."""
        return 1 if self.weights(name) == [f"{MINIATURE}/digests.json"] else GPU_THREADS

    def gpus(self, stage: str, name: str = "") -> int:
        """GPUs of a job that asks models: those of the server that it starts."""
        return gpus_of(self._study, stage, name) if self._is_live else 0

    def api_calls(self, stage: str, name: str = "") -> int:
        """Whether a job that asks models sends its calls to a service that several jobs share: 1 or 0."""
        return 0 if self._is_live and is_served_stage(self._study, stage, name) else 1

    def server_threads(self, stage: str, name: str = "") -> int:
        """Threads of a job that asks models: one, or those of the server that it starts."""
        return 1 if self.api_calls(stage, name) else GPU_THREADS

    @property
    def _is_live(self) -> bool:
        return self._study.config["exchanges"] == "live"

    def metrics_of_environment(self, environment: str) -> str:
        """Pattern of the metrics that run in an environment of envs/."""
        names = [name for name in self._study.config["metrics"] if environment_of(self._study, name) == environment]
        return "|".join([*names, "none"])
