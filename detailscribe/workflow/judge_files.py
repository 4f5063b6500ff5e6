"""Files of judges that are asked about parts, remarks of critiques or pairs, for the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.study.judging.audited import audited_images
from detailscribe.study.judging.pair_schedule import images_of_pairs, selector_of_pairs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from detailscribe.study.study import Study


class JudgeFiles:
    """Paths of what judges are asked about, and of their answers; the other files of a study: `RuleFiles`."""

    _study: Study

    if TYPE_CHECKING:

        def source(self, scenario: str, shard: str, name: str) -> str: ...
        def per_shard(self, scenario: str, patterns: Iterable[str]) -> list[str]: ...

    def judges_asked(self, asks: str) -> str:
        """Pattern of the judges that are asked about the prompt, parts, remarks or pairs."""
        return "|".join([*self._study.judges_asked(asks), "none"])

    def rows_of_judges(self, scenario: str, asks: str) -> list[str]:
        """Rows of every judge of a scenario that is asked about one thing."""
        names = self._study.judges_asked(asks)
        return self.per_shard(scenario, [f"{self._study.judging[name].folder}/{{shard}}.jsonl" for name in names])

    def critiques_of_auditor(self, wildcards) -> list[str]:
        """The critiques whose remarks a judge checks."""
        names = audited_images(self._study, wildcards.judge)
        return [f"results/{wildcards.scenario}/critiques/{name}/{wildcards.shard}.jsonl" for name in names]

    def images_of_auditor(self, wildcards) -> list[str]:
        """The images that the critiques are about, those that were made with them, and those of other seeds."""
        sets = audited_images(self._study, wildcards.judge).values()
        names = dict.fromkeys(name for each in sets for name in [each.before, *each.after, *each.control])
        return [self.source(wildcards.scenario, wildcards.shard, name) for name in names]

    def images_of_pair_judge(self, wildcards) -> list[str]:
        """The images that a judge of pairs may see."""
        names = images_of_pairs(self._study, wildcards.judge)
        return [self.source(wildcards.scenario, wildcards.shard, name) for name in names]

    def scores_of_pair_judge(self, wildcards) -> list[str]:
        """The scores by which a judge of pairs selects among the images of a method, if one has several."""
        by = selector_of_pairs(self._study, wildcards.judge)
        return [f"results/{wildcards.scenario}/scores/{by}/{wildcards.shard}.jsonl"] if by else []
