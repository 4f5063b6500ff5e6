"""Truncation: how many tokens of each text the image model's encoders and the metrics read."""

from collections.abc import Callable, Iterable
from pathlib import Path

from detailscribe.engines.weights import local_folder
from detailscribe.files.rows import read_rows
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


TOKEN_COLUMNS = ["id", "text", "reader", "tokens", "read"]
SHARES_COLUMNS = ["text", "reader", "n", "cut", "cut_share", "read_share"]
TokenCounter = Callable[[dict], tuple[int, int]]  # of a record with `prompt`: tokens in the text, tokens read


def image_readers(model: dict) -> dict[str, TokenCounter]:
    """Counters of Stable Diffusion 3.5's text encoders; start and end tokens count.

    `sd_clip` stands for both CLIP encoders, which truncate alike.
    """
    from transformers import AutoTokenizer

    folder = local_folder(model["path"])
    path = str(folder) if folder else model["path"]
    revision = model["revision"] or None
    clip = AutoTokenizer.from_pretrained(path, subfolder="tokenizer", revision=revision)
    t5 = AutoTokenizer.from_pretrained(path, subfolder="tokenizer_3", revision=revision)

    def counter(tokenizer, limit: int) -> TokenCounter:
        def count(record: dict) -> tuple[int, int]:
            tokens = len(tokenizer(record["prompt"], verbose=False).input_ids)
            return tokens, min(tokens, limit)

        return count

    return {"sd_clip": counter(clip, clip.model_max_length), "sd_t5": counter(t5, model["max_sequence_length"])}


def metric_readers(metrics: dict[str, dict]) -> dict[str, TokenCounter]:
    """Counters of the metrics that have one, by the metric's name in the study."""
    modules = {name: load_metric(entry["module"]) for name, entry in metrics.items()}
    return {name: module.reader(metrics[name]) for name, module in modules.items() if hasattr(module, "reader")}


def count_tokens(
    records: list[dict],
    texts: dict[str, dict[str, str]],
    phrases: dict[str, list[str]],
    image_readers: dict[str, TokenCounter],
    metric_readers: dict[str, TokenCounter],
) -> list[dict]:
    """Tokens per text and reader.

    Args:
        records: Prompt records.
        texts: Rewritten and refined prompts by id, by the name of their rewriter or critic; the image model reads
            these too.
        phrases: Noun phrases by id, for metrics that read them.

    Returns:
        Rows with TOKEN_COLUMNS; `text` is `prompt` or the name of the rewriter or critic. Metrics read the prompt only.
    """
    rows = []
    for record in records:
        readers = {**image_readers, **metric_readers}
        readings = {"prompt": (record | {"phrases": phrases.get(record["id"], [])}, readers)}
        for name, by_id in texts.items():
            if record["id"] in by_id:
                readings[name] = record | {"prompt": by_id[record["id"]]}, image_readers
        for text, (content, counters) in readings.items():
            for reader, count in counters.items():
                values = [record["id"], text, reader, *count(content)]
                rows.append(dict(zip(TOKEN_COLUMNS, values, strict=True)))
    return rows


def truncation_shares(rows: list[dict]) -> list[dict]:
    """Per text and reader: number of texts, number and share of cut ones, share of all tokens that was read.

    Args:
        rows: Of `count_tokens`.

    Returns:
        Rows with SHARES_COLUMNS; `read_share` is None without tokens.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["text"], row["reader"]), []).append(row)
    table = []
    for (text, reader), group in groups.items():
        cut = sum(row["read"] < row["tokens"] for row in group)
        tokens = sum(row["tokens"] for row in group)
        read_share = sum(row["read"] for row in group) / tokens if tokens else None
        values = [text, reader, len(group), cut, cut / len(group), read_share]
        table.append(dict(zip(SHARES_COLUMNS, values, strict=True)))
    return table


def count_scenario_tokens(
    parameters: dict, prompts: str, phrase_files: Iterable[str], text_files: Iterable[str]
) -> list[dict]:
    """Tokens per text and reader of a scenario.

    Args:
        parameters: Of the stage.
        prompts: File of the prompt records.
        phrase_files: Noun phrases of each shard.
        text_files: Rewritten and refined prompts, `.../{rewriter or critic}/{shard}.jsonl`.

    Returns:
        Rows as `count_tokens` returns them.
    """
    phrases = {row["id"]: row["phrases"] for file in phrase_files for row in read_rows(Path(file))}
    texts: dict[str, dict[str, str]] = {name: {} for name in parameters["texts"]}
    for file in map(Path, text_files):
        rows = [row for row in read_rows(file) if row["status"] == "ok"]
        texts[file.parent.name].update({row["id"]: row["refined_prompt"] for row in rows})
    readers = image_readers(parameters["image_model"]), metric_readers(parameters["metrics"])
    return count_tokens(read_rows(Path(prompts)), texts, phrases, *readers)
