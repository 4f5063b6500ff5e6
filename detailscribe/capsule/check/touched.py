"""What a changed file of a capsule touches: the stage whose results it is or decides, and the tables that follow."""

from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from detailscribe.capsule.check.remade import BY_TABLE, FIGURES, place_of
from detailscribe.capsule.layout import CONFIG, CONTENTS, CRATE, README, STUDY, WORKFLOW, kind_of
from detailscribe.study.stages import LLM_STAGE_OF_FOLDER, STAGE_OF_FOLDER

Read = Callable[[str], bytes]  # the content of a member; empty if it cannot be read
EVERY_TABLE = "every table"
OF_SCORES = ("scores", "main", "strata", "optimism", "judges", "published")
FOLLOWING = {  # tables of a scenario that a folder's rows decide; all of them for a folder that is not here
    "audits": ("critique_audit",),
    "pairs": ("pairs", "strengths", "rankings"),
    "parts": ("parts",),
    "scores": OF_SCORES,
}
OF_JUDGES = (*OF_SCORES, "judge_repeats", "parts", "cost")
SHOWN = 2  # files that are named


def touched(member: str, names: Collection[str], read: Read) -> str:
    """What follows from a member, in words.

    Args:
        member: Name of the member; empty for the zip's directory.
        names: Of all members.
        read: The content of another member.
    """
    alone = {
        "": "no result: it says where the files of the capsule are",
        CONTENTS: "no result: it holds the digests of all files",
        CRATE: "no result: it describes the capsule",
        README: "no result: it tells people what this is",
        WORKFLOW: "no result: a replay uses the rules that are installed",
        CONFIG: f"every stage and {EVERY_TABLE}: the settings of the study",
    }
    if member in alone:
        return alone[member]
    kind, inner = kind_of(member), member.removeprefix(STUDY)
    if kind is None:
        return "no result: no capsule holds such a file"
    if inner.startswith("resources/exchanges/"):
        return _of_exchange(PurePosixPath(inner).name.partition(".")[0], names, read)
    if inner.startswith("config/templates/"):
        return f"the stages that ask models with it, and {EVERY_TABLE}"
    if inner.startswith(("config/", "resources/written/")):
        return f"the prompts, every stage and {EVERY_TABLE}"
    return _of_result(inner, names)


def _of_result(inner: str, names: Collection[str]) -> str:
    place = place_of(inner)
    scenario, folder, name = place.get("scenario", ""), place.get("folder", ""), place.get("name", "")
    suffix = PurePosixPath(inner).suffix
    if folder == "parameters":
        return f"the stage of {PurePosixPath(inner).stem}, whose settings it holds, and {EVERY_TABLE} made with it"
    if "/report/" in inner:
        return "a page of the report alone, which shows results"
    if suffix in (".png", ".jpg") and folder not in (FIGURES, "human"):
        return "an image of this study, and no table: scores say what was seen in it"
    if "/ledgers/" in inner:
        return "measured seconds: the tables method_costs and budget"
    if folder in ("fingerprints", "weights") or not place:
        return f"no number: it says what models the results were made with; the origin of {EVERY_TABLE}"
    if folder in ("tables", FIGURES, "human", "report"):
        return f"itself alone: made from other files ({'it can be made again' if folder != 'human' else 'by people'})"
    if folder not in STAGE_OF_FOLDER:
        return f"every stage and {_tables(scenario, (), names)}"
    following = OF_JUDGES if folder == "scores" and name.startswith("judge-") else FOLLOWING.get(folder, ())
    return f"the stage {STAGE_OF_FOLDER[folder]}{f' ({name})' if name else ''}, {_tables(scenario, following, names)}"


def _of_exchange(digest: str, names: Collection[str], read: Read) -> str:
    """The rows that were made from an exchange."""
    using = [
        inner
        for name in names
        if (inner := name.removeprefix(STUDY)) != name
        and place_of(inner).get("folder") in LLM_STAGE_OF_FOLDER
        and inner.endswith(".jsonl")
        and digest.encode() in read(name)
    ]
    if not using:
        return "no row: no file of rows names this answer; the table cost"
    more = f" and {len(using) - SHOWN} more" if len(using) > SHOWN else ""
    return f"rows of {', '.join(using[:SHOWN])}{more}: {_of_result(using[0], names)}"


def _tables(scenario: str, following: tuple[str, ...], names: Collection[str]) -> str:
    there = [table for table in following if f"{STUDY}results/{scenario}/tables/{table}.csv" in names]
    pooled = ["those of the whole study"] if f"{STUDY}results/tables/main.csv" in names else []
    if not following:
        return f"{EVERY_TABLE} of {scenario}" + "".join(f" and {each}" for each in pooled)
    if not set(following) & set(OF_SCORES):
        pooled = []
    known = [table for table in there if table in BY_TABLE]
    return f"the tables {', '.join(known)} of {scenario}" + "".join(f" and {each}" for each in pooled)
