"""Dollars and hours of a planned comparison: what its images, answers of a judge and ratings of people cost per prompt.

Prices are those of the estimate of `snakemake plan` for prompts that do not exist yet: calls at recorded token counts,
or at assumed ones, and the prices of their endpoints. Models that jobs serve, and images drawn here, cost no dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detailscribe.operations.plan.estimate import Estimate
from detailscribe.operations.plan.shard import Shard
from detailscribe.operations.plan.study_plan import add_shard
from detailscribe.operations.power.comparisons import HUMAN, PAIRS, Comparison
from detailscribe.study.methods import Method, rated_methods
from detailscribe.study.study import Study

PROMPTS = 2  # of the estimate
JUDGE = "judge"


@dataclass(frozen=True)
class Prices:
    """Prices per prompt.

    Attributes:
        stages: Dollars of a stage by (stage, name); the judges are not among them.
        judges: Dollars of one answer of a judge about one image (of a pair: about one order), by the judge's name.
        study: Whose images and methods these are.
    """

    stages: dict[tuple[str, str], float]
    judges: dict[str, float]
    study: Study

    def usd_per_prompt(self, comparison: Comparison, repeats: float) -> float | None:
        """Dollars of one more prompt: everything that the images of both methods need, and the judge's answers.

        A comparison that is of no method of the study pays for all of the study's images.

        Args:
            comparison: That is planned.
            repeats: Draws of the judge per image, or orders of a pair; of people, not counted here.

        Returns:
            None if the judge's price is not known.
        """
        rows = _methods(self.study, comparison)
        usd = sum(self.stages[stage] for stage in self._stages_of(rows) if stage in self.stages)
        judge = comparison.judge or comparison.metric
        is_pair = comparison.design == PAIRS
        if judge == HUMAN or (judge in self.study.config["metrics"] and not is_pair):
            return usd
        name = next(
            (name for name in self.study.judging if judge in (name, f"judge-{name}", f"judge-{name}-geometric")), ""
        )
        if name not in self.judges:
            return None
        draws = self.study.config["judges"][name]["draws"]
        if is_pair:
            return usd + self.judges[name] * repeats * draws
        return usd + self.judges[name] * _images(rows) * (repeats if comparison.metric == judge else draws)

    def _stages_of(self, rows: list[Method]) -> list[tuple[str, str]]:
        if not rows:
            return list(self.stages)
        study, needed = self.study, dict[tuple[str, str], None]()
        for row in rows:
            needs = study.needs_of(row)
            for name in [*needs.every_image_set, *needs.texts]:
                if critic := study.config["critics"].get(name):
                    needed |= {("decompose", ""): None} if critic["decomposition"] else {}
                    needed[("critique", name)] = None
                else:
                    needed |= {("rewrite", name): None, ("external", name): None}
        return list(needed)


def read_prices(study: Study, parameters: dict[str, dict], results: Path, store: Path) -> Prices:
    """Prices per prompt of a configuration.

    Args:
        study: The study.
        parameters: Parameters of its stages, by the name of their file.
        results: Its results folder.
        store: Folder of the exchanges, whose token counts are used.
    """
    estimate = Estimate(study, parameters, results, store)
    prompt = "Two animals of a kind that is not known yet hold a tool together, each with one paw."
    records = [{"id": f"planned-{n}", "topic": "planned", "prompt": f"{prompt} {n}"} for n in range(PROMPTS)]
    added = {record["id"]: "new" for record in records}
    add_shard(Shard(estimate, study.config["study"][0], "planned", records, added))
    stages, judges = {}, {}
    images = len(study.image_sets())
    for line in estimate.lines:
        if line.stage == JUDGE and line.name in study.judging:
            answers = (
                line.calls if study.judging[line.name].scale == "pair" else PROMPTS * images * _draws(study, line.name)
            )
            judges[line.name] = line.cost_usd / max(answers, 1)
        elif line.stage != JUDGE:
            stages[line.stage, line.name] = line.cost_usd / PROMPTS
    return Prices(stages, judges, study)


def rating_hours(study: Study, comparison: Comparison, raters: float, seconds: float) -> float:
    """Hours of people per prompt: each rater sees every image of both methods, or the pair.

    Args:
        study: The study.
        comparison: That is planned; one of no people takes no time.
        raters: Per prompt.
        seconds: Per rating.
    """
    if comparison.metric != HUMAN:
        return 0.0
    images = 1 if comparison.design == PAIRS else _images(_rated(study, comparison))
    return raters * images * seconds / 3600


def _methods(study: Study, comparison: Comparison) -> list[Method]:
    """Both methods of a comparison; empty if one is not of the study."""
    rows = {method.name: method for method in study.methods()}
    names = (comparison.baseline, comparison.method)
    return [rows[name] for name in names] if set(names) <= rows.keys() else []


def _rated(study: Study, comparison: Comparison) -> list[Method]:
    """Both methods as raters see them; all rated ones if one is not among them."""
    rows = {method.name: method for method in rated_methods(study)}
    names = (comparison.baseline, comparison.method)
    return [rows[name] for name in names] if set(names) <= rows.keys() else list(rows.values())


def _images(rows: list[Method]) -> int:
    """Different images of some methods; two if there are none."""
    return len(dict.fromkeys(name for row in rows for name in row.candidates)) or 2


def _draws(study: Study, judge: str) -> int:
    return study.config["judges"][judge].get("draws", 1)
