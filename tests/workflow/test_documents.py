"""What the documents show is what the pipeline is."""

import re
import subprocess

from tests.workflow.small_study import REPOSITORY, Study


def test_the_picture_of_the_rules_is_current(tmp_path):
    study = Study(tmp_path)
    command = [part for part in study.command("toy_data_001", "--rulegraph") if part != "--configfile"]
    command.remove(str(tmp_path / "small.yaml"))
    graph = subprocess.run(command, cwd=tmp_path, env=study.env(), capture_output=True, text=True, check=True).stdout
    rules = set(re.findall(r'label = "(\w+)"', graph))
    picture = (REPOSITORY / "docs" / "rulegraph.svg").read_text(encoding="utf-8")
    assert rules and rules == set(re.findall(r">(\w+)</text>", picture)), "run `make docs/rulegraph.svg`"


def test_every_target_of_the_readme_exists():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^ +make ([\w/.-]+)", text, re.M))
    benchmarks = {f"bench-{path.stem}" for path in (REPOSITORY / "benchmarks").glob("*.py")}
    assert targets and all(re.search(rf"^{re.escape(name)}:", makefile, re.M) for name in targets - benchmarks)
    paths = re.findall(r"\]\(([^)#:]+)\)", text)
    assert paths and all((REPOSITORY / path).exists() for path in paths)
