"""Complete cases: the dictionary of prompts with every image, and the dropped rows with their reasons."""

from collections import Counter

from detailscribe.study.stages import ROW_STAGES, USABLE
from detailscribe.study.study import Study

STAGE = "clean"
ALGORITHM = 1
MOST_BLAMED = 5  # image sets that a line names


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"clean": {"stage_of": study.stage_by_image_set(), "metrics": study.metrics}}


DROPPED_COLUMNS = ["id", "topic", "stage", "image_set", "status", "reason"]


def clean_dictionary(
    records: list[dict],
    stages: list[tuple[str, str, list[dict]]],
    image_sets: dict[str, dict[str, dict]],
    selected: dict[str, dict[str, dict]],
) -> tuple[list[dict], list[dict]]:
    """Separate the complete prompts of a scenario from the rows that are not ok.

    Args:
        records: Prompt records.
        stages: (stage, name, rows) of every output; the name is the `image_set` of rows that have none; of a pair it is
            both methods.
        image_sets: Manifest rows by id, by image set; a complete prompt has an ok image in each set.
        selected: Rows by id of each selection, of the seeds (`multi_seed`) or of the graph; the image is listed under
            the selection's name.

    Returns:
        The dictionary, one row per complete prompt {id, topic, prompt, images}, and the dropped rows with
        DROPPED_COLUMNS, by prompt and then by stage.
    """
    dictionary, dropped = [], []
    problems: dict[str, list[dict]] = {record["id"]: [] for record in records}
    for stage, name, rows in sorted(stages, key=lambda entry: ROW_STAGES.index(entry[0])):
        for row in rows:
            if row["status"] not in USABLE and row["id"] in problems:
                image_set = row.get("image_set") or (f"{row['first']}, {row['second']}" if stage == "pair" else name)
                reason = f"{name}: {row['reason']}" if stage in ("score", "pair") else row["reason"]
                problems[row["id"]].append(
                    {"stage": stage, "image_set": image_set, "status": row["status"], "reason": reason}
                )
    for record in records:
        id = record["id"]
        images = {name: rows[id]["file"] for name, rows in image_sets.items() if rows[id]["status"] == "ok"}
        if len(images) == len(image_sets):
            for name, chosen in selected.items():
                if id in chosen and chosen[id]["status"] == "ok":
                    images[name] = images[chosen[id]["image_set"]]
            dictionary.append({**record, "images": images})
        dropped += [{"id": id, "topic": record["topic"], **problem} for problem in problems[id]]
    return dictionary, dropped


def missing_lines(
    scenario: str,
    count: int,
    image_sets: dict[str, dict[str, dict]],
    selected: dict[str, dict[str, dict]],
    complete: int,
    table: str,
) -> list[str]:
    """What to say of a scenario whose tables are empty, or of a selection without any image; nothing otherwise.

    An image set that is missing for every prompt leaves no prompt complete, so that no method has a value.

    Args:
        scenario: Its name.
        count: Prompts of the scenario.
        image_sets, selected: As for `clean_dictionary`.
        complete: Complete prompts.
        table: The file of the dropped rows.
    """
    if complete or not count:
        empty = [name for name, rows in selected.items() if count and _unusable(rows).total() == count]
        return [f"{', '.join(empty)}: nothing chosen for any prompt; {table} has the reasons"] if empty else []
    lacking = {name: counts for name, rows in image_sets.items() if (counts := _unusable(rows))}
    # Skipped are those that start from what is missing: they are not to blame where anything else is.
    own = {name: counts for name, counts in lacking.items() if counts.total() > counts["skipped"]}
    blamed = {name: counts for name, counts in (own or lacking).items() if counts.total() == count} or own or lacking
    first = sorted(blamed, key=lambda name: -blamed[name].total())[:MOST_BLAMED]
    words = [", ".join(f"{status} for {n} of {count}" for status, n in blamed[name].items()) for name in first]
    sets = "; ".join(f"{name} {word}" for name, word in zip(first, words, strict=True))
    more = f" and {len(blamed) - len(first)} more" if len(blamed) > len(first) else ""
    return [
        f"no prompt of {scenario} is complete: {sets}{more}; remove the entry or correct it; {table} has the reasons"
    ]


def _unusable(rows: dict[str, dict]) -> Counter[str]:
    return Counter(row["status"] for row in rows.values() if row["status"] != "ok")


def dropped_tsv(dropped: list[dict]) -> str:
    """The dropped rows as tab-separated text.

    White space inside a value, tabs and line ends included, becomes single spaces. A value that a spreadsheet would
    read as a formula gets a leading `'`.
    """
    lines = [DROPPED_COLUMNS] + [[_cell(row[column]) for column in DROPPED_COLUMNS] for row in dropped]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: str) -> str:
    text = " ".join(str(value).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
