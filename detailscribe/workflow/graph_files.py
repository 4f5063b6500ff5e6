"""Files of steps that start from images, for the rules: critics, rewriters with `of`, refinements and selections."""

from detailscribe.scores.metric_facts import environment_of, reads_phrases
from detailscribe.scores.model_weights import image_weights_name
from detailscribe.study.refinements import RefineJob
from detailscribe.study.study import Study


class GraphFiles:
    """Paths of a study's image sets and selections, as inputs of the steps that start from them.

    Args:
        study: The study.
    """

    def __init__(self, study: Study):
        self._study = study

    def source(self, scenario: str, shard: str, name: str) -> str:
        """The rows of an image set or of a selection of images."""
        folder = "selections" if name in self._study.graph.selections else "images"
        return f"results/{scenario}/{folder}/{name}/{shard}.jsonl"

    def image_of_critic(self, wildcards) -> str:
        """The images that a critic looks at."""
        of = self._study.graph.source_of_critic(wildcards.critic)
        return self.source(wildcards.scenario, wildcards.shard, of)

    def images_of_rewriter(self, wildcards) -> list[str]:
        """The images whose prompts a rewriter rewrites; none for one that rewrites the prompts themselves."""
        entry = self._study.config["rewriters"][wildcards.rewriter]
        of = self._study.graph.source(entry)
        return [self.source(wildcards.scenario, wildcards.shard, of)] if "of" in entry else []

    def candidates_of_selection(self, wildcards) -> list[str]:
        """The image sets and selections that a selection chooses from."""
        among = self._study.graph.selections[wildcards.selection].among
        return [self.source(wildcards.scenario, wildcards.shard, name) for name in among]

    def phrases_of_selection(self, wildcards) -> list[str]:
        """The noun phrases of a shard, if the metric of a selection reads them."""
        path = f"results/{wildcards.scenario}/noun_phrases/{wildcards.shard}.jsonl"
        return [path] if reads_phrases(self._study, self.selector(wildcards)) else []

    def selector(self, wildcards) -> str:
        """The metric, or judge-{name}, by which a selection selects."""
        return self._study.graph.selections[wildcards.selection].by

    def judge(self, wildcards) -> str:
        """The judge by which a selection selects."""
        return self.selector(wildcards).removeprefix("judge-")

    def selections_by(self, environment: str) -> str:
        """Pattern of the selections by metrics of an environment of envs/, or by judges."""
        names = [
            name
            for name, selection in self._study.graph.selections.items()
            if (environment_of(self._study, selection.by) if selection.by in self._study.config["metrics"] else "judge")
            == environment
        ]
        return "|".join([*names, "none"])

    def selected_by(self, wildcards) -> list[str]:
        """Selections of a shard by the metric or judge that scores it: they are made first, and their scores kept."""
        wildcard = vars(wildcards)
        by = wildcard["metric"] if "metric" in wildcard else f"judge-{wildcard['judge']}"
        names = [name for name, selection in self._study.graph.selections.items() if selection.by == by]
        return [f"results/{wildcards.scenario}/selections/{name}/{wildcards.shard}.jsonl" for name in names]

    def inputs_of_refinements(self, job: RefineJob, kind: str) -> list[str]:
        """What the refinements of a job start from, as patterns of a scenario and a shard.

        Args:
            job: The job.
            kind: critiques, rewrites, or sources: images and selections of images.
        """
        names: list[str] = []
        for each in job.refinements:
            if kind == "sources":
                names += [each.of] if self._study.graph.needs_source(each) else []
            elif each.text in self._study.config["critics" if kind == "critiques" else "rewriters"]:
                names.append(each.text)
        if kind == "sources":
            return [self.source("{scenario}", "{shard}", name) for name in dict.fromkeys(names)]
        return [f"results/{{scenario}}/{kind}/{name}/{{shard}}.jsonl" for name in dict.fromkeys(names)]

    def memory_of_refinements(self, job: RefineJob) -> dict[str, int]:
        """`mem_mb` of a job with another image model than the study's own; otherwise nothing: the profile decides."""
        if not job.image_model:
            return {}
        from detailscribe.operations.pilot.model_needs import main_memory_mb  # studies without such a job need it not

        return {"mem_mb": main_memory_mb(self._study, job.image_model)}

    def image_model_weights(self, image_model: str) -> str:
        """Name of the weights of an entry of `image_models`, for `weights` and `gpu_threads`; empty: the study's."""
        return image_weights_name(self._study, image_model) if image_model else "model"
