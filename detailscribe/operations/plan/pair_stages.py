"""Stages of judges of pairs in a plan: questions that a run would ask about two images, in both orders."""

from functools import partial

from detailscribe.operations.plan.llm_stages import add_llm_stage
from detailscribe.operations.plan.score_stages import selected_rows
from detailscribe.operations.plan.shard import PENDING, Shard
from detailscribe.scores.judges.pairs import ROLE, images_of_methods, judge_pairs


def add_pair_stage(shard: Shard, name: str, images: dict[str, dict[str, dict]]) -> None:
    """Add the questions of a judge of pairs.

    A method with several images waits where one of them, or their scores, are not there yet; each of its pairs then
    counts as two questions.

    Args:
        name: Of the judge.
        images: Rows by id by image set.
    """
    settings = shard.estimate.parameters[f"judge-{name}"]
    candidates, by = dict(settings["methods"]), settings["by"]
    selections, known = shard.estimate.study.graph.selections, dict(images)

    def source(of: str) -> dict[str, dict]:
        if of not in known:  # a search of many rounds has more paths than can be walked
            known[of] = selected_rows(shard, of, [source(each) for each in selections[of].among])
        return known[of]

    rows = {each: source(each) for names in candidates.values() for each in names}
    scores = shard.rows(f"scores/{by}") if by else []
    shown = images_of_methods(shard.records, candidates, rows, scores, by)
    scored = {row["id"] for row in scores}
    for method, names in candidates.items():
        for id, row in shown[method].items():
            waits = any(PENDING in rows[each][id]["reason"] for each in names)
            if len(names) > 1 and (waits or id not in scored):
                shown[method][id] = row | {"status": "skipped", "reason": PENDING}
    run = partial(judge_pairs, shard.records, shown, scenario=shard.scenario)
    add_llm_stage(shard, "judge", name, f"pairs/{name}", run, ROLE)
