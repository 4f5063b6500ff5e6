"""Noun phrases of a prompt, which BLIP-VQA asks about one by one: by spaCy, by rules, or the user's own.

`spacy` is the parser and the small English model that T2I-CompBench uses; `rules` needs neither (`noun_phrase_rules`).
Both write a file of the study that a user can read and correct.
"""

import importlib.metadata
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.prompts.noun_phrase_rules import IGNORED_PHRASES, phrases_by_rules
from detailscribe.scores.metric_facts import any_reads_phrases
from detailscribe.study.study import Study

STAGE = "phrases"
ALGORITHM = 1
SPACY_MODEL = "en_core_web_sm"


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    settings = study.config["noun_phrases"]
    if not any_reads_phrases(study):
        return {}
    parser = resolve_parser(settings["by"])
    return {
        f"phrases-{scenario}": {
            **parser,
            "corrections": read_corrections(Path(settings["folder"]) / f"{scenario}.jsonl"),
        }
        for scenario in study.scenarios
    }


def resolve_parser(by: str) -> dict:
    """How noun phrases are found, as parameters of the stage.

    Args:
        by: spacy, rules, or auto: spacy if it and its model are installed, otherwise rules.

    Returns:
        `by` (spacy or rules) and `versions`.

    Raises:
        InputError: `by` is spacy, which is not installed.
    """
    names = ("spacy", SPACY_MODEL)
    use_spacy = by != "rules" and all(importlib.util.find_spec(name) for name in names)
    if by == "spacy" and not use_spacy:
        raise InputError(
            f"noun_phrases: by: spacy needs the packages spacy and {SPACY_MODEL}: `pip install spacy` and `python -m "
            f"spacy download {SPACY_MODEL}`, or set it to rules"
        )
    return {
        "by": "spacy" if use_spacy else "rules",
        "versions": {name: importlib.metadata.version(name) for name in names} if use_spacy else {},
    }


def find_noun_phrases(records: list[dict], by: str, corrections: dict[str, list[str]]) -> list[dict]:
    """All noun phrases of each prompt, in its order; a metric may ask about the first ones only.

    Args:
        by: spacy or rules.
        corrections: The user's own phrases by id, used unchanged.

    Returns:
        Rows `id, status, reason, phrases, source`; source is spacy, rules or user.

    Raises:
        SetupError: spaCy is not installed where this job runs.
    """
    parse: Callable[[str], list[str]] = phrases_by_rules
    if by == "spacy" and any(record["id"] not in corrections for record in records):
        parse = _load_spacy_parser()
    return [
        {
            "id": record["id"],
            "status": "ok",
            "reason": "",
            "phrases": corrections[record["id"]] if record["id"] in corrections else parse(record["prompt"]),
            "source": "user" if record["id"] in corrections else by,
        }
        for record in records
    ]


def read_corrections(path: Path) -> dict[str, list[str]]:
    """Phrases by id from a user's JSON lines of `{"id", "phrases"}`; empty if there is no such file.

    Raises:
        InputError: a line is not such an object; names file and line.
    """
    corrections = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            id, phrases = row["id"], row["phrases"]
            valid = isinstance(id, str) and isinstance(phrases, list)
            valid = valid and all(isinstance(phrase, str) and phrase.strip() for phrase in phrases)
        except (ValueError, KeyError, TypeError):
            valid = False
        if not valid:
            raise InputError(f'{path}, line {number}: needs {{"id": "...", "phrases": ["...", ...]}}, got {line[:80]}')
        corrections[id] = phrases
    return corrections


def _load_spacy_parser() -> Callable[[str], list[str]]:
    try:
        import spacy

        parse = spacy.load(SPACY_MODEL)
    except (ImportError, OSError) as error:
        raise SetupError(
            f"this job does not find spaCy with {SPACY_MODEL}, which the study was planned with ({error}): install "
            "both where jobs run, or set `noun_phrases: by` to rules"
        ) from error
    return lambda prompt: [chunk.text for chunk in parse(prompt).noun_chunks if chunk.text not in IGNORED_PHRASES]
