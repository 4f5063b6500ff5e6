"""Making of a capsule: what goes in, in which order, and what is said of what stays out."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from detailscribe.capsule.contents import Contents, contents_json
from detailscribe.capsule.copies import copied_files, rater_codes, used_config
from detailscribe.capsule.crate import CrateFacts, crate_metadata
from detailscribe.capsule.layout import CONFIG, CONTENTS, CRATE, README, STUDY, WHOLE, WORKFLOW
from detailscribe.capsule.members import find_named, scenario_files, study_files, unfinished_stages
from detailscribe.capsule.pages import add_pages, can_show
from detailscribe.capsule.sealed_zip import SealedZip
from detailscribe.capsule.shown.private_texts import check_private
from detailscribe.capsule.shown.settings import shown_config
from detailscribe.capsule.shown.words import Words
from detailscribe.capsule.stored import SealedStudy
from detailscribe.errors import InputError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.kept_process import printed
from detailscribe.report.provenance import GIT_S, git_commit
from detailscribe.study.study import Study

CODE = ("Snakefile", "rules", "scripts", "detailscribe")  # what results are made by
DEFAULTS = {"images": "none", "report": False, "license": "", "options": []}  # of the config key `capsule`


def make_capsule(
    capsule: Path, code: Path, config: dict, parameters_of: Callable[[Study], dict[str, dict]]
) -> list[str]:
    """Write the capsule of the study in the working directory.

    Args:
        capsule: The zip to write.
        code: Folder of the code that made the results.
        config: Complete and valid; `capsule` has the options of DEFAULTS.
        parameters_of: The parameters of every stage, by the name of their file.

    Returns:
        Lines that say what it holds, and what not.

    Raises:
        InputError: no scenario of the study is finished, or pages are wanted without images.
        SetupError: a result was changed, an exchange is damaged, or a text holds something private.
    """
    options, study = {**DEFAULTS, **config.get("capsule", {})}, Study(config, code)
    if options["report"] and not can_show(options["images"]):
        raise InputError(
            "capsule: report: the pages show images; set `capsule: images` to thumbnails or whole, or report to false"
        )
    missing = {name: unfinished_stages(study, name) for name in config["study"]}
    scenarios = [name for name, stages in missing.items() if not stages]
    unfinished = {name: stages for name, stages in missing.items() if stages}
    if not scenarios:
        name, stages = next(iter(unfinished.items()))
        raise InputError(
            f"no scenario of the study is finished ({name} lacks, or has out of date: {', '.join(stages)}); run "
            f"`snakemake {name}` first"
        )
    files = {name: scenario_files(study, name) for name in scenarios}
    named = find_named([file for each in files.values() for file in each])
    used = used_config(study, scenarios)
    copied, copies = copied_files(study, used, Path("results"))
    shown = shown_config(used, copied, options["options"])
    contents = Contents(options["images"], bool(options["report"]), scenarios, unfinished)
    with atomic_write(capsule) as temporary, SealedZip(temporary) as archive, tempfile.TemporaryDirectory() as scratch:
        words = Words([*_texts(shown), *_texts(copies), *study.image_sets(), *study.metrics, *named.models])
        words.add(" ".join([*named.ids, *(f"judge-{name}" for name in study.judging)]))
        for table in sorted((code / "config").glob("*.tsv")):  # published numbers, which tables show
            words.add(table.read_text(encoding="utf-8"))
        sealed = SealedStudy(archive, contents, words, rater_codes(used), Path(scratch), options["options"])
        _add_texts(archive, {CONFIG: _yaml(shown), **{STUDY + name: copies[name] for name in copies}})
        sealed.add_exchanges(sorted(named.exchanges), keep_images=options["images"] == WHOLE)
        for name in scenarios:
            sealed.add_results(files[name], named.models)
        if unfinished:
            contents.left_out["results/tables"] = "tables of all scenarios, of which some are unfinished"
        else:
            sealed.add_results(study_files(), named.models)
        parameters = parameters_of(study)
        sealed.add_records(parameters, study, named.fingerprints)
        sealed.add_images(named.images, options["images"])
        if options["report"]:
            add_pages(sealed, study, scenarios, shown, parameters["report"], code)
        _add_texts(archive, {WORKFLOW: (code / "Snakefile").read_bytes(), README: _readme(contents)})
        contents.code = {"version": _version(code), "commit": _commit(code)}
        facts = CrateFacts(
            title=f"Sealed study: {', '.join(scenarios)}",
            scenarios=scenarios,
            date=contents.date,
            license=options["license"],
            commit=contents.code["commit"],
            versions={name: " and ".join(sorted(found)) for name, found in sorted(sealed.versions(named).items())},
            weights=sealed.weights,
        )
        archive.add(CRATE, crate_metadata(archive.files, facts, code / "CITATION.cff"))
        archive.add(CONTENTS, contents_json(contents, archive.files))
    return _summary(capsule, contents, archive.files)


def _add_texts(archive: SealedZip, texts: dict[str, bytes]) -> None:
    for name in sorted(texts):
        check_private(name, texts[name].decode())
        archive.add(name, texts[name])


def _yaml(value: dict) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100).encode()


def _texts(value: Any) -> Iterable[str]:
    """Every key and text of a value."""
    if isinstance(value, bytes):
        yield value.decode()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _commit(code: Path) -> str:
    """The commit of the code, with `-changed` if the code differs from it; settings and documents do not count."""
    commit = git_commit(code).removesuffix("-dirty")
    found = printed(["git", "-C", str(code), "status", "--porcelain", "--", *CODE], GIT_S) if commit else None
    return f"{commit}-changed" if found and found[1].strip() else commit


def _version(code: Path) -> str:
    return str(yaml.safe_load((code / "CITATION.cff").read_text(encoding="utf-8"))["version"])


def _readme(contents: Contents) -> bytes:
    images = {
        "none": "the digests are included",
        "thumbnails": "thumbnails are included, and the digests of the whole ones",
        "whole": "the files are included",
    }
    return f"""# A sealed study of text-to-image methods

Scenarios: {", ".join(contents.scenarios)}. A Workflow Run RO-Crate: {CRATE}. Of the
images, {images[contents.images]}.

| where | what |
|---|---|
| `study/results/*/tables/`, `figures/` | what a paper shows |
| `study/results/*/scores/`, `audits/`, `pairs/` | one row per image and metric; rows of judges name their exchanges |
| `study/resources/exchanges/` | each request to a model, with its answer |
| `study/results/*/images/*.jsonl` | one row per image: SHA-256, prompt, seed, versions |
| `study/config/` | settings and templates with which the results were made |
| `capsule.json` | SHA-256 and bytes of every file here, and what was left out or withheld |

With DetailScribe installed, whose version `capsule.json` names:

    make capsule-verify FILE=capsule.zip
    make capsule-replay FILE=capsule.zip

The first compares every digest, and that tables follow from scores and scores from exchanges. The second makes the
tables again in a folder of its own, without a key, a GPU or a network, and compares their bytes.
""".encode()


def _summary(capsule: Path, contents: Contents, files: dict[str, dict]) -> list[str]:
    lines = [
        f"{capsule}: {', '.join(contents.scenarios)}; {len(files)} files, {contents.exchanges} exchanges, "
        f"{capsule.stat().st_size:,} bytes; {CONTENTS} {files[CONTENTS]['sha256']}"
    ]
    lines += [f"unfinished, left out: {name} ({', '.join(each)})" for name, each in contents.unfinished.items()]
    if contents.cleaned:
        first = next(iter(contents.cleaned))
        lines.append(
            f"{len(contents.cleaned)} files differ from the study's (words withheld, names replaced, images left "
            f"out), such as {first}"
        )
    by_reason: dict[str, list[str]] = {}
    for name, reason in contents.left_out.items():
        by_reason.setdefault(reason, []).append(name)
    lines += [f"left out: {names[0]}{_more(names)}: {reason}" for reason, names in by_reason.items()]
    return lines


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
