"""CITATION.cff as deposits read it: that of the repository, people and organisations, and what may be wrong."""

import pytest

from detailscribe.capsule.publish.citation import Creator, read_citation
from detailscribe.errors import InputError
from tests.paths import REPOSITORY
from tests.unit.capsule.publish.small_capsule import CITATION, write_code


def test_the_repositorys_own_file():
    citation = read_citation(REPOSITORY / "CITATION.cff")
    assert citation.license == "MIT" and citation.creators and citation.keywords
    assert citation.paper.identifiers == ["arXiv:2504.08714", "https://aclanthology.org/2025.emnlp-industry.37/"]
    assert "pages = {540--563}" in citation.paper.bibtex and citation.paper.bibtex.startswith("@inproceedings{gu2025,")
    assert "author = {Gu, Xinyi and Mao, Jiayuan}" in citation.paper.bibtex


def test_people_organisations_and_identifiers(tmp_path):
    citation = read_citation(write_code(tmp_path) / "CITATION.cff")
    person = Creator("Ada van den Berg", "van den Berg", "Ada", "A University", "0000-0002-1825-0097")
    assert citation.creators == [person, Creator("The others")]
    assert person.inverted == "van den Berg, Ada" and Creator("The others").inverted == "The others"
    assert citation.abstract == "What it does." and citation.url == "https://doi.org/10.5281/zenodo.1234"
    assert citation.paper.identifiers == ["10.1000/182", "arXiv:2504.08714"]
    assert "@article{gu2025," in citation.paper.bibtex and "journal = {A Journal}" in citation.paper.bibtex


@pytest.mark.parametrize(
    "text, said",
    [
        (None, r"there is no .*CITATION.cff"),
        ("title: [", r"CITATION.cff is no YAML"),
        ("- a\n- b\n", r"CITATION.cff has no keys; add it"),
        (CITATION.replace("license: MIT\n", ""), r"CITATION.cff has no license; add it"),
        (CITATION.replace('title: "A pipeline"', "title:"), r"CITATION.cff has no title; add it"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    if text is not None:
        (tmp_path / "CITATION.cff").write_text(text)
    with pytest.raises(InputError, match=said):
        read_citation(tmp_path / "CITATION.cff")


def test_a_file_without_paper_and_address(tmp_path):
    (tmp_path / "CITATION.cff").write_text("title: T\nversion: 1\nlicense: [MIT, Apache-2.0]\nauthors: [{name: N}]\n")
    citation = read_citation(tmp_path / "CITATION.cff")
    assert (citation.paper, citation.url, citation.license, citation.version) == (None, "", "MIT", "1")
