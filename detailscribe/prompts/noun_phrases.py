"""The things that a prompt names: its noun phrases, which BLIP-VQA asks about one by one.

Two ways find them: `spacy`, the parser and the small English model that T2I-CompBench uses, and `rules`, which knows
only the closed classes of words (articles, prepositions, auxiliaries ...) and guesses the rest from endings. Both are
files of the study that a user can read and correct.
"""

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.scores.metric_facts import reads_phrases
from detailscribe.study.study import Study

STAGE = "phrases"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    settings = study.config["noun_phrases"]
    if not any(reads_phrases(study, name) for name in study.config["metrics"]):
        return {}
    method = finder(settings["by"])
    return {
        f"phrases-{scenario}": {
            **method,
            "corrections": read_corrections(Path(settings["folder"]) / f"{scenario}.jsonl"),
        }
        for scenario in study.scenarios
    }


SPACY_MODEL = "en_core_web_sm"
NOT_THINGS = {"top", "the side", "the left", "the right"}  # as T2I-CompBench leaves them out

_DETERMINERS = """
a an the this these those each every some any no another both all several many few one two three four five
six seven eight nine ten eleven twelve thirteen my your his her its our their
"""
_BREAKS = """
of in on at by with from to into onto over under above below beneath beside besides between among amid through
across along around against behind before after during near inside outside within without toward towards up down
off out upon atop for about like as than per via past alongside
and or but nor so yet while when where that who whom whose which what how why if because until since though although
i you he she it we they me him us them himself herself itself themselves there here
is are was were be been being am has have had having do does did can could will would shall should may might must
not too also just only then together apart away back forth still again almost
hold holds held carry carries carried make makes made take takes took use uses used put puts show shows shown
sit sits stand stands lie lies lay lays hang hangs
"""
# Words in -ing that are things far more often than doings.
_THINGS_IN_ING = "ring king string spring wing ceiling building painting railing earring pudding clothing"
_DETERMINERS, _BREAKS, _THINGS_IN_ING = (set(words.split()) for words in (_DETERMINERS, _BREAKS, _THINGS_IN_ING))


def finder(by: str) -> dict:
    """How noun phrases are found, as parameters of the stage.

    Args:
        by: spacy, rules, or auto: spacy where it and its model are installed, else rules.

    Returns:
        `by` (spacy or rules) and `versions`.

    Raises:
        InputError: spacy is asked for and not installed.
    """
    names = ("spacy", SPACY_MODEL)
    there = by != "rules" and all(importlib.util.find_spec(name) for name in names)
    if by == "spacy" and not there:
        raise InputError(
            f"noun_phrases: by: spacy needs the packages spacy and {SPACY_MODEL}: `pip install spacy` and `python -m "
            f"spacy download {SPACY_MODEL}`, or set it to rules"
        )
    return {
        "by": "spacy" if there else "rules",
        "versions": {name: importlib.metadata.version(name) for name in names} if there else {},
    }


def noun_phrases(records: list[dict], by: str, corrections: dict[str, list[str]]) -> list[dict]:
    """The noun phrases of each prompt, in its order; all of them, though a metric may ask about the first ones only.

    Args:
        corrections: A user's own phrases by id, which stand as they are.

    Returns:
        Rows `id, status, reason, phrases, source`; source is spacy, rules or user.
    """
    find = _by_spacy() if by == "spacy" and any(record["id"] not in corrections for record in records) else by_rules
    return [
        {
            "id": record["id"],
            "status": "ok",
            "reason": "",
            "phrases": corrections[record["id"]] if record["id"] in corrections else find(record["prompt"]),
            "source": "user" if record["id"] in corrections else by,
        }
        for record in records
    ]


def read_corrections(path: Path) -> dict[str, list[str]]:
    """Phrases by id from a user's JSON lines of `{"id", "phrases"}`; empty where there is no such file.

    Raises:
        InputError: a line is not such an object; names file and line.
    """
    found = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            id, phrases = row["id"], row["phrases"]
            right = isinstance(id, str) and isinstance(phrases, list)
            right = right and all(isinstance(phrase, str) and phrase.strip() for phrase in phrases)
        except (ValueError, KeyError, TypeError):
            right = False
        if not right:
            raise InputError(f'{path}, line {number}: needs {{"id": "...", "phrases": ["...", ...]}}, got {line[:80]}')
        found[id] = phrases
    return found


def by_rules(prompt: str) -> list[str]:
    """Noun phrases by closed classes of words and endings; right for most plain sentences, never for all."""
    phrases: list[str] = []
    words: list[str] = []

    def finish(before_determiner: bool = False) -> None:
        determined = words[0].lower() in _DETERMINERS if words else False
        if before_determiner and len(words) > determined:
            words.pop()  # "the beaver hold | the hammer", "carry | a log": what stands before an article is a verb
        if len(words) == determined + 1 and words[-1].endswith("ed"):
            words.clear()  # "surrounded by", "a spirited": a quality without its thing
        if len(words) > determined and (text := " ".join(words)).lower() not in NOT_THINGS:
            phrases.append(text)
        words.clear()

    for token in re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]", prompt):
        word = token.lower().removesuffix("'s").removesuffix("’s")
        if not token[0].isalnum() or word in _BREAKS:
            finish()
        elif word in _DETERMINERS:
            if not all(each.lower() in _DETERMINERS for each in words):  # "all three", "each of" stay one phrase
                finish(before_determiner=True)
            words.append(token)
        elif _is_doing(word, words):
            finish()
        else:
            words.append(token)
    finish()
    return phrases


def _is_doing(word: str, before: list[str]) -> bool:
    """Whether a word reads as verb or adverb after the words of the phrase so far."""
    first = before[0].lower() if before else ""
    named = len(before) - (first in _DETERMINERS)  # words that are no article
    if word.endswith("ly") and len(word) > 4:
        return named > 0 or not before
    if word.endswith("ing") and len(word) > 4 and word not in _THINGS_IN_ING:
        return named > 0 or not before  # "a rolling pin", but "a beaver rolling" and "rolling dough"
    if word.endswith("ed") and len(word) > 3:
        return named > 0  # "a weathered bench", but "a chair covered in"
    singular = first in {"a", "an", "one", "each", "every", "another"} and named > 0
    return singular and word.endswith("s") and not word.endswith(("ss", "us", "is"))  # "a fox kneads"


def _by_spacy():
    try:
        import spacy

        parse = spacy.load(SPACY_MODEL)
    except (ImportError, OSError) as error:
        raise SetupError(
            f"this job finds no spaCy with {SPACY_MODEL}, which planned the study ({error}): install both where jobs "
            "run, or set `noun_phrases: by` to rules"
        ) from error
    return lambda prompt: [chunk.text for chunk in parse(prompt).noun_chunks if chunk.text not in NOT_THINGS]
