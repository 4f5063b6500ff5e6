"""Stages of judges of parts and of remarks in a plan: yes/no questions that a run would ask about each image."""

from collections.abc import Callable, Iterable

from detailscribe.llm.client import Chat
from detailscribe.operations.plan.llm_stages import add_llm_stage
from detailscribe.operations.plan.score_stages import selected_rows
from detailscribe.operations.plan.shard import PENDING, Shard
from detailscribe.prompts.parts import INTERACTION, list_parts
from detailscribe.scores.judges import audit
from detailscribe.scores.judges import parts as judged_parts

ASSUMED_PARTS = 6  # of a prompt, until a decomposition of the shard is known [ours]
ASSUMED_REMARKS = 4  # of a critique, until one of the shard is known [ours]


def add_part_stage(
    shard: Shard, name: str, decompositions: dict[str, dict], images: dict[str, dict[str, dict]]
) -> None:
    """Add the questions of a judge of parts.

    Where the parts are not listed yet, they are counted by rules; of a decomposition that is not there yet, as many as
    the others of the shard have on average.

    Args:
        name: Of the judge.
        decompositions: Rows by id.
        images: Rows by id by image set.
    """
    listed = {row["id"]: row for row in shard.rows("parts")}
    parts, counts = {}, {}
    for row in list_parts(shard.records, decompositions, {"by": "rules"}):
        id = row["id"]
        if row["status"] == "ok":
            is_current = id in listed and _interactions(listed[id]) == _interactions(row)
            counts[id] = len(listed[id]["parts"] if is_current else row["parts"])
            row = listed[id] if is_current else {"id": id, "status": "skipped", "reason": PENDING, "parts": []}
        parts[id] = row
    assumed = _mean(counts.values(), ASSUMED_PARTS)

    def run(role: dict, chat: Chat) -> list[dict]:
        rows = judged_parts.judge_parts(shard.records, images, parts, role, chat, scenario=shard.scenario)
        return _each_as_often(rows, lambda row: counts.get(row["id"], assumed))

    add_llm_stage(shard, "judge", name, f"scores/judge-{name}", run, judged_parts.ROLE)


def add_audit_stage(
    shard: Shard, name: str, critiques: dict[str, dict[str, dict]], images: dict[str, dict[str, dict]]
) -> None:
    """Add the questions of a judge of remarks.

    A critique that is not there yet counts as many remarks as the others of its critic have on average.

    Args:
        name: Of the judge.
        critiques: Rows by id by critic.
        images: Rows by id by image set.
    """
    audited = shard.estimate.parameters[f"judge-{name}"]["audited"]
    selections, known = shard.estimate.study.graph.selections, dict(images)

    def source(of: str) -> dict[str, dict]:
        if of not in known:  # a search of many rounds has more paths than can be walked
            known[of] = selected_rows(shard, of, [source(each) for each in selections[of].among])
        return known[of]

    sets = {
        each["critic"]: [each["before"], *(name for name, _ in each["after"]), *each["control"]] for each in audited
    }
    shown = {image_set: source(image_set) for names in sets.values() for image_set in names}

    def run(role: dict, chat: Chat) -> list[dict]:
        rows = audit.audit_critiques(shard.records, critiques, shown, role, chat, scenario=shard.scenario)
        remarks: dict[str, dict[str, int]] = {critic: {} for critic in sets}
        for row in rows:
            if PENDING not in row["reason"] or row["number"]:
                of_critic = remarks[row["critic"]]
                of_critic[row["id"]] = max(of_critic.get(row["id"], 0), row["number"])
        assumed = {critic: _mean(counts.values(), ASSUMED_REMARKS) for critic, counts in remarks.items()}
        return _each_as_often(
            rows, lambda row: 1 if row["number"] else assumed[row["critic"]] * len(sets[row["critic"]])
        )

    add_llm_stage(shard, "judge", name, f"audits/{name}", run, audit.ROLE)


def _interactions(row: dict) -> list[str]:
    return [part["text"] for part in row["parts"] if part["kind"] == INTERACTION]


def _mean(counts: Iterable[int], otherwise: int) -> int:
    known = list(counts)
    return round(sum(known) / len(known)) if known else otherwise


def _each_as_often(rows: list[dict], questions_of: Callable[[dict], int]) -> list[dict]:
    """Rows, those that wait for something as often as they have questions: each is one call of unknown input."""
    waits = [row["status"] == "skipped" and PENDING in row["reason"] for row in rows]
    return [row for row, waiting in zip(rows, waits, strict=True) for _ in range(questions_of(row) if waiting else 1)]
