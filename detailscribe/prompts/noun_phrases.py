"""Noun phrases of a prompt, which BLIP-VQA asks about one by one: by spaCy, by rules, or the user's own.

`spacy` is what the released code uses (`spacy_model`), and its phrases are the released ones; `rules` needs no package
and finds the released list for 48 % of the InterActing prompts (`noun_phrase_rules`). Both write a file of the study
that a user can read and correct.
"""

from collections.abc import Callable
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.brought_files import brought_file
from detailscribe.files.table_reader import json_lines
from detailscribe.prompts import spacy_model
from detailscribe.prompts.noun_phrase_rules import IGNORED_PHRASES, phrases_by_rules
from detailscribe.scores.metric_facts import any_reads_phrases
from detailscribe.study.study import Study

STAGE = "phrases"
ALGORITHM = 2


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
        `by` (spacy or rules) and `versions`; for spacy also `model`, its name, and `parts`, the digest of what it is
        made of. The same model under its other name gives the same values.

    Raises:
        InputError: `by` is spacy, and it or its model is not installed.
    """
    version = spacy_model.spacy_version() if by != "rules" else ""
    model = spacy_model.installed_model() if version else None
    if model:
        name = spacy_model.KNOWN_MODEL if model.is_known else f"{model.name}, with parts of its own"
        return {"by": "spacy", "versions": {"spacy": version}, "model": name, "parts": model.parts}
    if by == "spacy":
        missing = f"spaCy {version} has no English model" if version else "spaCy is not installed"
        raise InputError(
            f"noun_phrases: by: spacy: {missing}: install both (`{spacy_model.INSTALL}`), or set by to rules, which "
            "finds other phrases"
        )
    return {"by": "rules", "versions": {}}


def warnings(study: Study) -> list[str]:
    """Warnings of a study: `auto` took rules, or the model is another one than the released code uses."""
    by = study.config["noun_phrases"]["by"]
    if not any_reads_phrases(study):
        return []
    parser = resolve_parser(by)
    if by == "auto" and parser["by"] == "rules":
        return [
            "noun_phrases: by: auto takes rules, because spaCy or its English model is not installed; BLIP-VQA then "
            f"asks about other phrases than the released code for most prompts (`{spacy_model.INSTALL}` installs both)"
        ]
    if parser["by"] == "spacy" and parser["parts"] != spacy_model.KNOWN_PARTS:
        return [
            f"noun_phrases: the model is {parser['model']}, not those of {spacy_model.KNOWN_MODEL}; its phrases may "
            "differ from the released ones"
        ]
    return []


def find_noun_phrases(records: list[dict], parser: dict, corrections: dict[str, list[str]]) -> list[dict]:
    """All noun phrases of each prompt, in its order; a metric may ask about the first ones only.

    Args:
        records: Prompt records.
        parser: Of `resolve_parser`, when the study was planned.
        corrections: The user's own phrases by id, used unchanged.

    Returns:
        Rows `id, status, reason, phrases, source`; source is spacy, rules or user.

    Raises:
        SetupError: spaCy and its model are not installed where this job runs, or are others than planned.
    """
    parse: Callable[[str], list[str]] = phrases_by_rules
    if parser["by"] == "spacy" and any(record["id"] not in corrections for record in records):
        parse = planned_parser(parser)
    rows = []
    for record in records:
        row = {"id": record["id"], "status": "ok", "reason": "", "phrases": [], "source": parser["by"]}
        if record["id"] in corrections:
            row |= {"phrases": corrections[record["id"]], "source": "user"}
        else:
            try:
                row["phrases"] = [phrase for phrase in parse(record["prompt"]) if phrase not in IGNORED_PHRASES]
            except ValueError as error:  # spaCy's limit of a text
                row |= {"status": "failed", "reason": str(error).strip().partition("\n")[0]}
        rows.append(row)
    return rows


def read_corrections(path: Path) -> dict[str, list[str]]:
    """Phrases by id from a user's JSON lines of `{"id", "phrases"}`; empty if there is no such file.

    Raises:
        InputError: a line is not such an object, or a second one of an id that differs, or a file of the same name and
            another kind would be passed over; names file and line.
    """
    corrections: dict[str, list[str]] = {}
    file = brought_file(path)
    for number, row in json_lines(file) if file else ():
        id, phrases = (row.get("id"), row.get("phrases")) if isinstance(row, dict) else (None, None)
        if not (isinstance(id, str) and isinstance(phrases, list) and all(map(_is_phrase, phrases))):
            raise InputError(f'{file}, line {number}: needs {{"id": "...", "phrases": ["...", ...]}}, got {row!r:.80}')
        if corrections.setdefault(id, phrases) != phrases:
            raise InputError(f"{file}, line {number}: a second row of {id}; keep one of them")
    return corrections


def _is_phrase(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def planned_parser(parser: dict) -> Callable[[str], list[str]]:
    """The parser that the study was planned with, loaded.

    Raises:
        SetupError: it is not installed where this job runs, or another one is.
    """
    planned = f"spaCy {parser['versions']['spacy']} with {parser['model']}"
    model = spacy_model.installed_model()
    if not model or not spacy_model.spacy_version():
        raise SetupError(
            f"this job does not find {planned}, which the study was planned with: install both where jobs run "
            f"(`{spacy_model.INSTALL}`), or set `noun_phrases: by` to rules"
        )
    if (found := resolve_parser("spacy")) != {key: parser[key] for key in found}:
        raise SetupError(
            f"this job finds spaCy {found['versions']['spacy']} with {found['model']}, but the study was planned with "
            f"{planned}: install the same where jobs run and where snakemake is started"
        )
    return spacy_model.load_parser(model)
