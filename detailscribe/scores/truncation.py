"""What each reader really reads of a text: the image model's encoders and the metrics cut long ones."""

from collections.abc import Callable

from detailscribe.engines.weights import local_folder
from detailscribe.scores import load_metric
from detailscribe.scores.metric_facts import metric_code
from detailscribe.study.study import Study

STAGE = "truncation"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    metrics = study.config["metrics"]
    readers = {
        "image_model": {key: study.image_model[key] for key in ("path", "revision", "max_sequence_length")},
        "metrics": {name: {**entry, **metric_code(study, entry)} for name, entry in metrics.items()},
        "texts": [*study.config["rewriters"], *study.config["critics"]],
    }
    return {"truncation": readers}


COLUMNS = ["id", "text", "reader", "tokens", "read"]
SHARES_COLUMNS = ["text", "reader", "n", "cut", "cut_share", "read_share"]
Count = Callable[[dict], tuple[int, int]]  # of a record with `prompt`: tokens there, tokens read


def image_readers(model: dict) -> dict[str, Count]:
    """Counters of Stable Diffusion 3.5's text encoders; start and end tokens count.

    `sd_clip` stands for both CLIP encoders, which cut alike.
    """
    from transformers import AutoTokenizer

    folder = local_folder(model["path"])
    where = str(folder) if folder else model["path"]
    revision = model["revision"] or None
    clip = AutoTokenizer.from_pretrained(where, subfolder="tokenizer", revision=revision)
    t5 = AutoTokenizer.from_pretrained(where, subfolder="tokenizer_3", revision=revision)

    def counter(tokenizer, limit: int) -> Count:
        def count(record: dict) -> tuple[int, int]:
            there = len(tokenizer(record["prompt"], verbose=False).input_ids)
            return there, min(there, limit)

        return count

    return {"sd_clip": counter(clip, clip.model_max_length), "sd_t5": counter(t5, model["max_sequence_length"])}


def metric_readers(metrics: dict[str, dict]) -> dict[str, Count]:
    """Counters of the metrics that have one, by the metric's name in the study."""
    modules = {name: load_metric(entry["module"]) for name, entry in metrics.items()}
    return {name: module.reader(metrics[name]) for name, module in modules.items() if hasattr(module, "reader")}


def truncation(
    records: list[dict],
    texts: dict[str, dict[str, str]],
    phrases: dict[str, list[str]],
    image_readers: dict[str, Count],
    metric_readers: dict[str, Count],
) -> list[dict]:
    """Tokens of each text and reader.

    Args:
        records: Prompt records.
        texts: Rewritten and refined prompts by id, by what wrote them: the image model reads these too.
        phrases: Noun phrases by id, for metrics that read them.

    Returns:
        Rows with COLUMNS; `text` is prompt or the name of what wrote it. Metrics read the prompt alone.
    """
    rows = []
    for record in records:
        readers = {**image_readers, **metric_readers}
        read = {"prompt": (record | {"phrases": phrases.get(record["id"], [])}, readers)}
        for name, by_id in texts.items():
            if record["id"] in by_id:
                read[name] = record | {"prompt": by_id[record["id"]]}, image_readers
        for text, (what, counters) in read.items():
            for reader, count in counters.items():
                rows.append(dict(zip(COLUMNS, [record["id"], text, reader, *count(what)], strict=True)))
    return rows


def shares(rows: list[dict]) -> list[dict]:
    """Of each text and reader: how many, how many of them cut, that share, and the share of all tokens read."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["text"], row["reader"]), []).append(row)
    table = []
    for (text, reader), group in groups.items():
        cut = sum(row["read"] < row["tokens"] for row in group)
        tokens = sum(row["tokens"] for row in group)
        read = sum(row["read"] for row in group) / tokens if tokens else None
        table.append(dict(zip(SHARES_COLUMNS, [text, reader, len(group), cut, cut / len(group), read], strict=True)))
    return table
