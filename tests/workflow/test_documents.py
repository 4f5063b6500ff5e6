"""What the documents show is what the pipeline is."""

import re
import shlex
import subprocess

import pytest
import yaml

from detailscribe.study.stages import BY_NAME, STAGES
from tests.workflow.small_study import REPOSITORY, Study


def test_the_picture_of_the_rules_is_current(tmp_path):
    study = Study(tmp_path)
    command = [part for part in study.command("toy_data_001", "--rulegraph") if part != "--configfile"]
    command.remove(str(tmp_path / "small.yaml"))
    graph = subprocess.run(command, cwd=tmp_path, env=study.env(), capture_output=True, text=True, check=True).stdout
    rules = set(re.findall(r'label = "(\w+)"', graph))
    drawing = (REPOSITORY / "docs" / "rulegraph.svg").read_text(encoding="utf-8")
    assert rules and rules == set(re.findall(r">(\w+)</text>", drawing)), "run `make docs/rulegraph.svg`"


DOCUMENTS = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "benchmarks").glob("*.md")),
]


def test_every_target_of_the_documents_exists():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    benchmarks = {f"bench-{path.stem}" for path in (REPOSITORY / "benchmarks").glob("*.py")}
    rules = {
        name for path in (REPOSITORY / "rules").glob("*.smk") for name in re.findall(r"rule (\w+):", path.read_text())
    }
    scenarios = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))["scenarios"]
    scenarios |= {"mine": "the reader's own"}
    stages = [f"{scenario}_{stage}" for scenario in scenarios for stage in (*STAGES, *BY_NAME)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    targets = set(re.findall(r"^ +make ([\w/.-]+)", text, re.M))
    assert targets and all(re.search(rf"^{re.escape(name)}:", makefile, re.M) for name in targets - benchmarks)
    commands = set(re.findall(r"^ +snakemake ([a-z]\w*)", text, re.M))
    assert commands and commands <= {*rules, *scenarios, *stages}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(document):
    links = re.findall(r"\]\(([^)#:\s]*)#?([^):\s]*)\)", document.read_text(encoding="utf-8"))
    assert links or document.name != "README.md"
    for path, heading in links:
        target = document.parent / path if path else document
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.+)", target.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
            assert heading in anchors, heading


FOLDERS = ("config", "docs", "rules", "profiles", "detailscribe", "tests", "scripts", "envs", "benchmarks")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_path_that_a_document_names_exists(document):
    if document.name == "CHANGELOG.md":  # it also tells of files that are gone
        return
    code = re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))
    code += re.findall(r"^    +(.+)", document.read_text(encoding="utf-8"), re.M)
    paths = {
        word
        for text in code
        for word in re.findall(rf"(?<![\w/.{{}}-])(?:{'|'.join(FOLDERS)})/[\w./*-]+(?![\w{{}}])", text)
    }
    found = {path for path in paths if list(REPOSITORY.glob(path.rstrip("./"))) or path.startswith("benchmarks/")}
    assert paths - found == set()


def commands() -> list[str]:
    """Every command of Snakemake in a block of a document, its comment removed."""
    lines = {
        line.partition(" # ")[0].strip()
        for document in DOCUMENTS
        for line in re.findall(r"^ +(snakemake .+)", document.read_text(encoding="utf-8"), re.M)
    }
    return sorted(line for line in lines if not line.endswith("\\"))


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_documents_has_options_and_files_that_exist(command):
    from snakemake.cli import get_argument_parser

    words = shlex.split(command)[1:]
    profile = words[words.index("--workflow-profile") + 1] if "--workflow-profile" in words else "default"
    assert (REPOSITORY / "profiles" / profile / "config.yaml").is_file()
    known, _ = get_argument_parser().parse_known_args(words)
    own = ("my", "mine")  # files that the reader writes
    files = [path for path in known.configfile or [] if not str(path).startswith(own)]
    assert all((REPOSITORY / path).is_file() for path in files), files
    assert all("=" in each for each in known.config or [])
