"""The cleaned dictionary: prompts with every image, and a line for everything that is missing and why."""

STAGES = ("decompose", "rewrite", "generate", "critique", "refine", "external", "select", "score")


def clean(
    records: list[dict], stages: list[tuple[str, str, list[dict]]], image_sets: dict[str, dict[str, dict]], picked: dict
) -> tuple[list[dict], list[dict]]:
    """Gather the study of one scenario.

    Args:
        records: Prompt records.
        stages: (stage, name, rows) of every output; the name goes into `image_set` where a row names none.
        image_sets: Manifest rows by id, by image set: what a complete prompt has one image of each of.
        picked: Rows of the seed selection by id; its image goes under `multi_seed`.

    Returns:
        The dictionary, one row a complete prompt {id, topic, prompt, images}, and the dropped rows
        {id, topic, stage, image_set, status, reason}, by prompt and then by stage.
    """
    dictionary, dropped = [], []
    problems: dict[str, list[dict]] = {record["id"]: [] for record in records}
    for stage, name, rows in sorted(stages, key=lambda entry: STAGES.index(entry[0])):
        for row in rows:
            if row["status"] != "ok" and row["id"] in problems:
                place = row.get("image_set") or name
                reason = f"{name}: {row['reason']}" if stage == "score" else row["reason"]
                problems[row["id"]].append(
                    {"stage": stage, "image_set": place, "status": row["status"], "reason": reason}
                )
    for record in records:
        id = record["id"]
        images = {name: rows[id]["file"] for name, rows in image_sets.items() if rows[id]["status"] == "ok"}
        if len(images) == len(image_sets):
            if id in picked and picked[id]["status"] == "ok":
                images["multi_seed"] = images[picked[id]["image_set"]]
            dictionary.append({**record, "images": images})
        dropped += [{"id": id, "topic": record["topic"], **problem} for problem in problems[id]]
    return dictionary, dropped


def dropped_text(dropped: list[dict]) -> str:
    """The dropped rows as a table with tabs; tabs and line ends inside a value become spaces, and a value that a
    spreadsheet would take for a formula gets a `'` before it."""
    columns = ["id", "topic", "stage", "image_set", "status", "reason"]
    lines = [columns] + [[_cell(row[column]) for column in columns] for row in dropped]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: str) -> str:
    text = " ".join(str(value).split())
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
