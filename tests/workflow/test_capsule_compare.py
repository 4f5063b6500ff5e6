"""A capsule that was sealed before a change, compared with its folder after it."""

import csv

import pytest

from detailscribe.capsule.__main__ import main
from tests.workflow.small_study import PROMPTS

pytestmark = pytest.mark.slow  # several runs of a study each


def test_a_capsule_equals_its_folder_until_something_is_changed_and_again_when_it_is_changed_back(
    study, tmp_path, capsys
):
    study.snakemake("capsule")
    capsule = tmp_path / "before.zip"
    (study.results / "capsule.zip").rename(capsule)

    def compared() -> tuple[int, str, dict[str, str]]:
        """Exit status, first line, and the number of differences of each part that has some."""
        status = main(["compare", str(capsule), str(study.folder), "--table", str(tmp_path / "t.csv")])
        with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        counts = {row["part"]: row["changed"] for row in rows if not row["item"] and row["changed"] != "0"}
        return status, capsys.readouterr().out.splitlines()[0], counts

    status, answer, counts = compared()
    assert (status, counts) == (0, {}) and answer.startswith("Is the conclusion the same? Yes: all ")

    # One prompt is edited, and another image size is asked of the hosted model: what went in and what came of it.
    study.prompts([(PROMPTS[0][0], "Two otters carry a log together, one at each end."), *PROMPTS[1:]])
    other = {"external": {"hosted": {"options": {"size": "512x512"}}}}
    study.snakemake(**other)
    status, answer, counts = compared()
    assert status == 1 and answer.startswith("Is the conclusion the same? ")
    assert (counts["inputs"], counts["parameters"]) == ("1", "1")
    assert counts["images"] == "3"  # those of the hosted model, of the prompts that both have
    assert "templates" not in counts and "models" not in counts and "versions" not in counts
    assert "tables" in counts

    study.prompts(PROMPTS)
    study.snakemake()
    assert compared()[::2] == (0, {})
