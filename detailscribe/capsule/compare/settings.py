"""Settings of two sides, key by key: parameters, templates, models, versions; from records, rows and tables.

A setting stands in many files, such as the image model in those of every seed. Equal differences are shown once, with
the places where they were found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from detailscribe.capsule.compare.differences import (
    ABSENT,
    MODELS,
    PARAMETERS,
    TEMPLATES,
    VERSIONS,
    Difference,
    Part,
    is_withheld,
    value_text,
)
from detailscribe.capsule.compare.sides import Side

Settings = dict[tuple[str, str, str], str]  # (part, place, key) -> value
PHRASES = "phrases-"  # records of scenarios, which a study has of those without results, too
WHOLE = ""  # key of a record itself
# Names in a setting's path that say which part it belongs to; the first that matches decides.
OF_TEMPLATES = {"template", "templates", "scenario_templates"}
OF_VERSIONS = {"libraries", "algorithm", "metric_algorithm", "vllm_version", "software"}
OF_MODELS = {"model", "image_model", "served_model", "served", "weights", "revision", "vocabulary", "pretrained"}


def compare_settings(a: Side, b: Side) -> list[Part]:
    """Parameters, templates, models and versions of both sides."""
    of_a, of_b = settings_of(a), settings_of(b)
    places_a, places_b = ({place for _, place, _ in side} for side in (of_a, of_b))
    alone = places_a ^ places_b
    parts = {name: Part(name) for name in (PARAMETERS, TEMPLATES, MODELS, VERSIONS)}
    for name, part in parts.items():
        keys = sorted({key[1:] for key in of_a.keys() | of_b.keys() if key[0] == name})
        common = [(place, key) for place, key in keys if place not in alone and key != WHOLE]
        records = [place for place, key in keys if place in alone and key == WHOLE]
        found = [_of_record(name, place, place in places_a) for place in records]
        found += _grouped(name, common, of_a, of_b)
        part.add(found, len({place if name == TEMPLATES else key for place, key in common}) + len(records))
    return list(parts.values())


def settings_of(side: Side) -> Settings:
    """Every setting that a side records."""
    found: Settings = {}
    for file in side.files:
        path = PurePosixPath(file)
        if path.stem.startswith(PHRASES) and path.stem.removeprefix(PHRASES) not in side.scenarios:
            continue
        if path.suffix == ".json" and path.parts[1] in ("parameters", "weights", "miniature"):
            part = PARAMETERS if path.parts[1] == "parameters" else MODELS
            place = path.stem if part == PARAMETERS else f"weights {path.stem.replace('digests', 'of the demo models')}"
            found[part, place, WHOLE] = "present"
            for keys, value in flat(side.record(file)):
                found[part_of(keys) if part == PARAMETERS else MODELS, place, ".".join(keys)] = value_text(value)
    for part, place, key, value in (*_fingerprints(side), *_served_models(side), *_software(side), *_code(side)):
        found[part, place, key] = value
    return found


def part_of(keys: Iterable[str]) -> str:
    """The part that a setting belongs to, by the names on the way to it."""
    names = list(keys)
    for part, words in ((TEMPLATES, OF_TEMPLATES), (VERSIONS, OF_VERSIONS), (MODELS, OF_MODELS)):
        if not words.isdisjoint(names):
            return part
    return PARAMETERS


def flat(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """The values in an object with the names on the way to them; entries of a list by their `name`, if all have one."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value):
        value = {str(each["name"]): {key: item for key, item in each.items() if key != "name"} for each in value}
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, (*keys, str(key)))
    else:
        yield keys, value


def _of_record(part: str, place: str, is_of_a: bool) -> Difference:
    """A record that only one side has, such as that of a critic."""
    texts = ("present", ABSENT, "only in A") if is_of_a else (ABSENT, "present", "only in B")
    return Difference(part, "", place, *texts)


def _grouped(part: str, keys: list[tuple[str, str]], of_a: Settings, of_b: Settings) -> list[Difference]:
    """Differences of one part in places that both sides have; equal ones are grouped."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for place, key in keys:
        one, other = of_a.get((part, place, key), ABSENT), of_b.get((part, place, key), ABSENT)
        if one != other and not (is_withheld(one) or is_withheld(other)):
            groups.setdefault((key, one, other), []).append(place)
    return [Difference(part, "", key, a, b, places=tuple(places)) for (key, a, b), places in groups.items()]


def _fingerprints(side: Side) -> Iterator[tuple[str, str, str, str]]:
    """Settings of what scored: those of the fingerprints that the rows of each metric or judge name."""
    used: dict[str, dict[str, None]] = {}
    for file in side.files:
        parts = file.split("/")
        if len(parts) == 5 and parts[2] in ("scores", "audits", "pairs"):
            name = parts[3] if parts[2] == "scores" else f"judge-{parts[3]}"
            for row in side.rows(file):
                if isinstance(fingerprint := row.get("fingerprint"), str):
                    used.setdefault(name, {})[fingerprint] = None
    for name, digests in used.items():
        for number, digest in enumerate(sorted(digests), 1):
            file = f"results/fingerprints/{digest}.json"
            place = f"{name} (fingerprint{f' {number} of {len(digests)}' if len(digests) > 1 else ''})"
            if file not in side:
                yield MODELS, place, "fingerprint", digest
                continue
            for keys, value in flat(side.record(file)):
                yield part_of(keys), place, ".".join(keys), value_text(value)


def _served_models(side: Side) -> Iterator[tuple[str, str, str, str]]:
    """The models that answered, by what asked them."""
    found: dict[tuple[str, str], set[str]] = {}
    for scenario in side.scenarios:
        for row in side.table(f"results/{scenario}/tables/cost.csv")[1]:
            for key in ("model", "served_model"):
                if row.get(key):
                    place = " ".join(filter(None, (row.get("stage"), row.get("name"))))
                    found.setdefault((place, key), set()).add(row[key])
    for (place, key), models in found.items():
        yield MODELS, place, key, " and ".join(sorted(models))


def _software(side: Side) -> Iterator[tuple[str, str, str, str]]:
    """Versions and machines that made the images, by image set."""
    found: dict[tuple[str, str], set[str]] = {}
    for file in side.files:
        parts = file.split("/")
        if len(parts) == 5 and parts[2] == "images":
            for row in side.rows(file):
                software = row.get("software")
                for name, version in software.items() if isinstance(software, dict) else ():
                    found.setdefault((f"images {parts[3]}", name), set()).add(str(version))
    for (place, name), versions in found.items():
        yield VERSIONS, place, name, " and ".join(sorted(versions))


def _code(side: Side) -> Iterator[tuple[str, str, str, str]]:
    """Version and commit of the code; a capsule alone records them."""
    code = side.contents.get("code")
    for key, value in code.items() if isinstance(code, dict) else ():
        if value:
            yield VERSIONS, "code", f"code {key}", str(value)
