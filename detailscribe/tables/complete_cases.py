"""Complete cases: the dictionary of prompts with every image, and the dropped rows with their reasons."""

from detailscribe.study.stages import ROW_STAGES, USABLE
from detailscribe.study.study import Study

STAGE = "clean"
ALGORITHM = 1


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
        stages: (stage, name, rows) of every output; the name is the `image_set` of rows that have none.
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
                image_set = row.get("image_set") or name
                reason = f"{name}: {row['reason']}" if stage == "score" else row["reason"]
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
