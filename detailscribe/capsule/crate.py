"""`ro-crate-metadata.json` of a capsule: a Workflow Run RO-Crate, made with the library `rocrate`.

Profiles: Process Run, Workflow Run (https://w3id.org/ro/wfrun/workflow/0.5) and Workflow RO-Crate 1.0, on RO-Crate 1.1.
Folders with many files are described as data sets, with their number of files and bytes; `capsule.json` holds the
digest of each file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from detailscribe.capsule.layout import CONFIG, CONTENTS, README, STUDY, WORKFLOW

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LIBRARIES = "https://pypi.org/project/{}/"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
LICENCES = "https://spdx.org/licenses/"
NO_DATE = "1980-01-01T00:00:00+00:00"  # of a study that recorded none
# Files that are described one by one; all others as part of a folder.
SINGLE = (".csv", ".tsv", ".md", ".tex", ".svg")
MEDIA = {
    **{".csv": "text/csv", ".tsv": "text/tab-separated-values", ".md": "text/markdown", ".tex": "application/x-tex"},
    **{".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json", ".yaml": "application/yaml"},
}
FOLDERS = {  # what a folder of the study holds, by the beginning of its path
    "study/config/": "Effective settings: config.yaml, templates, prompts",
    "study/resources/exchanges/": "Recorded exchanges with models: each request with its answer",
    "study/resources/": "Records of weights, with digests",
    "study/results/parameters/": "Everything that decides the results of each stage",
    "study/results/fingerprints/": "What decides the scores of each metric and judge",
}


class CrateFacts(NamedTuple):
    """What the metadata say besides the members.

    Attributes:
        title: Of the capsule.
        scenarios: Their names.
        date: Newest recorded date; empty without one.
        license: SPDX identifier; empty for that of CITATION.cff.
        commit: Of the code; empty where it is unknown.
        versions: Of the libraries that made the images and scores.
        weights: Digests or commits of weights, by name.
    """

    title: str
    scenarios: list[str]
    date: str
    license: str
    commit: str
    versions: Mapping[str, str]
    weights: Mapping[str, str]


def crate_metadata(files: Mapping[str, dict], facts: CrateFacts, citation: Path) -> bytes:
    """The metadata as JSON.

    Args:
        files: {name: sha256, bytes} of the members so far.
        facts: The rest.
        citation: CITATION.cff of the code.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.model.creativework import CreativeWork
    from rocrate.rocrate import ROCrate

    cited: Any = yaml.safe_load(citation.read_text(encoding="utf-8"))
    crate, date = ROCrate(version="1.1"), facts.date or NO_DATE
    crate.metadata.extra_terms = TERMS
    license = LICENCES + (facts.license or cited["license"])

    def add(id: str, kind: str | list[str], **properties: Any) -> Any:
        return crate.add(ContextEntity(crate, id, {"@type": kind, **properties}))

    profiles = [crate.add(CreativeWork(crate, id, {"name": n, "version": v})) for id, (n, v) in PROFILES.items()]
    crate.metadata["conformsTo"] = [
        {"@id": "https://w3id.org/ro/crate/1.1"},
        {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
    ]
    root = crate.root_dataset
    add(license, "CreativeWork", name=facts.license or cited["license"], url=license)
    author = add("#authors", "Organization", name=_names(cited))
    root["conformsTo"] = profiles
    root["name"], root["description"] = facts.title, _description(facts)
    root["datePublished"], root["license"], root["author"] = date, {"@id": license}, author
    root["publisher"] = author
    root["keywords"] = cited.get("keywords", [])
    root["citation"] = _citation(add, cited)

    language = add(SNAKEMAKE, "ComputerLanguage", name="Snakemake", url="https://snakemake.readthedocs.io/")
    libraries = [
        add(LIBRARIES.format(name), "SoftwareApplication", name=name, softwareVersion=each, url=LIBRARIES.format(name))
        for name, each in facts.versions.items()
    ]
    weights = [
        add(f"#weights-{name}", ["CreativeWork"], name=f"Weights: {name}", identifier=value)
        for name, value in facts.weights.items()
    ]
    workflow = crate.add_file(
        dest_path=WORKFLOW,
        properties={
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": cited["title"],
            "version": " ".join(filter(None, [str(cited["version"]), facts.commit])),
            "license": {"@id": LICENCES + cited["license"]},
            "programmingLanguage": {"@id": language.id},
            "softwareRequirements": [{"@id": each.id} for each in libraries],
            "conformsTo": {"@id": BIOSCHEMAS},
            "encodingFormat": "text/plain",
            "author": {"@id": author.id},
            **_file_facts(files[WORKFLOW]),
        },
    )
    root["mainEntity"] = workflow
    parts = _parts(crate, files)
    parts[README]["about"] = root
    results = [part for id, part in parts.items() if id.startswith("study/results/") and "/parameters/" not in id]
    inputs = [parts["study/config/"], *weights]
    action = add(
        "#run",
        "CreateAction",
        name=f"Run of the study on {', '.join(facts.scenarios)}",
        instrument={"@id": workflow.id},
        agent={"@id": author.id},
        endTime=date,
        description="From prompts to tables, by the rules of the workflow.",
        actionStatus="http://schema.org/CompletedActionStatus",
        object=[{"@id": each.id} for each in inputs],
        result=[{"@id": each.id} for each in results],
    )
    root["mentions"] = [action, *weights]
    return (json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _parts(crate: Any, files: Mapping[str, dict]) -> dict[str, Any]:
    """Files that a reader opens, and folders with the number and bytes of what is in them."""
    parts: dict[str, Any] = {}
    folders: dict[str, list[dict]] = {}
    for name in (README, CONTENTS):
        parts[name] = crate.add_file(
            dest_path=name,
            properties={"name": name, "encodingFormat": MEDIA[Path(name).suffix], **_file_facts(files.get(name))},
        )
    for name, entry in files.items():
        if not name.startswith(STUDY):
            continue
        folders.setdefault(_folder(name), []).append(entry)
        if name == CONFIG or (name.endswith(SINGLE) and "/one_column/" not in name and "/report/" not in name):
            suffix = Path(name).suffix
            properties = {"name": Path(name).name, "encodingFormat": MEDIA[suffix], **_file_facts(entry)}
            parts[name] = crate.add_file(dest_path=name, properties=properties)
    for folder, entries in folders.items():
        properties = {
            "name": folder.removeprefix(STUDY),
            "description": f"{FOLDERS.get(folder, 'Rows, tables and figures of a scenario')}; {len(entries)} files",
            "contentSize": str(sum(entry["bytes"] for entry in entries)),
        }
        parts[folder] = crate.add_directory(dest_path=folder, properties=properties)
    return parts


def _folder(name: str) -> str:
    """The described folder of a member: of FOLDERS, or that of a scenario or of the study's tables."""
    known = next((folder for folder in FOLDERS if name.startswith(folder)), "")
    return known or "/".join(name.split("/")[:3]) + "/"


def _file_facts(entry: Mapping[str, Any] | None) -> dict:
    return {"contentSize": str(entry["bytes"]), "sha256": entry["sha256"]} if entry else {}


def _names(cited: Mapping[str, Any]) -> str:
    return ", ".join(
        each.get("name") or " ".join(filter(None, [each.get("given-names"), each.get("family-names")]))
        for each in cited["authors"]
    )


def _citation(add: Any, cited: Mapping[str, Any]) -> Any:
    preferred = cited.get("preferred-citation")
    if not preferred:
        return []
    return add(
        preferred["url"],
        "ScholarlyArticle",
        name=preferred["title"],
        datePublished=str(preferred["year"]),
        creator=_names(preferred),
    )


def _description(facts: CrateFacts) -> str:
    return (
        f"A sealed study of text-to-image methods on {', '.join(facts.scenarios)}: prompts, settings, recorded answers "
        "of models, digests of images, scores, tables and figures. README.md says how to check and replay it."
    )
