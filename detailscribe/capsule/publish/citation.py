"""Citation metadata from CITATION.cff: who made a study, and the paper to cite."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from detailscribe.errors import InputError

REQUIRED = ("title", "authors", "license", "version")
ORCID = "https://orcid.org/"
BIBTEX_KINDS = {"article": "article", "conference-paper": "inproceedings", "book": "book", "thesis": "phdthesis"}


class Creator(NamedTuple):
    """A person, with family and given names, or an organisation with a name alone."""

    name: str
    family: str = ""
    given: str = ""
    affiliation: str = ""
    orcid: str = ""  # 0000-0000-0000-0000

    @property
    def inverted(self) -> str:
        """`Family, Given`; of an organisation the name."""
        return f"{self.family}, {self.given}" if self.family and self.given else self.name


class Paper(NamedTuple):
    """The paper that CITATION.cff prefers to be cited.

    Attributes:
        identifiers: DOI, arXiv number or address, the most lasting one first.
        bibtex: The entry.
        text: The reference as one line.
    """

    url: str
    identifiers: list[str]
    bibtex: str
    text: str


class Citation(NamedTuple):
    """What CITATION.cff says.

    Attributes:
        abstract, url: Empty without one.
        license: SPDX identifier.
        paper: None without a preferred citation.
    """

    title: str
    abstract: str
    version: str
    license: str
    url: str
    keywords: list[str]
    creators: list[Creator]
    paper: Paper | None


def read_citation(path: Path) -> Citation:
    """Read a citation file.

    Raises:
        InputError: no such file, no YAML, or a key is missing that every citation file has.
    """
    try:
        cited: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no {path}, which says who made the study; write one, as in the repository"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no YAML ({' '.join(str(error).split())}); correct it") from None
    if not isinstance(cited, dict) or (missing := [key for key in REQUIRED if not cited.get(key)]):
        raise InputError(f"{path} has no {', '.join(missing) if isinstance(cited, dict) else 'keys'}; add it")
    preferred = cited.get("preferred-citation")
    return Citation(
        title=str(cited["title"]),
        abstract=" ".join(str(cited.get("abstract", "")).split()),
        version=str(cited["version"]),
        license=_license(cited["license"]),
        url=_address(cited),
        keywords=[str(each) for each in cited.get("keywords", [])],
        creators=[_creator(each) for each in cited["authors"]],
        paper=_paper(preferred) if preferred else None,
    )


def _license(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def _address(cited: dict) -> str:
    if cited.get("doi"):
        return f"https://doi.org/{cited['doi']}"
    return str(cited.get("url") or cited.get("repository-code") or "")


def _creator(author: dict) -> Creator:
    family = " ".join(filter(None, [author.get("name-particle"), author.get("family-names")]))
    given = " ".join(filter(None, [author.get("given-names"), author.get("name-suffix")]))
    name = str(author.get("name") or " ".join(filter(None, [given, family])))
    orcid = str(author.get("orcid", "")).removeprefix(ORCID)
    return Creator(name, family, given, str(author.get("affiliation", "")), orcid)


def _paper(cited: dict) -> Paper:
    authors = [_creator(each) for each in cited.get("authors", [])]
    others = [str(each["value"]) for each in cited.get("identifiers", []) if each.get("value")]
    doi, address = str(cited.get("doi", "")), _address(cited)
    identifiers = list(dict.fromkeys(filter(None, [doi, *others, "" if doi else address])))
    journal = str(cited.get("journal", ""))
    venue = str(cited.get("collection-title") or journal or "")
    pages = f"{cited['start']}-{cited['end']}" if cited.get("start") and cited.get("end") else ""
    kind = BIBTEX_KINDS.get(str(cited.get("type")), "misc")
    year = str(cited.get("year", ""))
    fields = {
        "title": f"{{{cited['title']}}}",
        "author": " and ".join(each.inverted for each in authors),
        "journal" if kind == "article" else "booktitle": venue,
        "pages": pages.replace("-", "--"),
        "year": year,
        "doi": doi,
        "url": address,
    }
    key = "".join(filter(str.isalnum, (authors[0].family or authors[0].name) if authors else "study")).lower() + year
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    text = ". ".join(
        filter(None, ["; ".join(each.inverted for each in authors), str(cited["title"]), venue, year, address])
    )
    return Paper(address, identifiers, "\n".join([f"@{kind}{{{key},", *lines, "}"]), text)
