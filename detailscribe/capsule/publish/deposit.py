"""Texts of a deposit: `.zenodo.json`, the fields that Zenodo's API takes as metadata, and README.md of the folder."""

import html
from collections.abc import Mapping

from detailscribe.capsule.publish.citation import Citation

DEPOSIT = ".zenodo.json"
CHECKSUMS = "SHA256SUMS"


def zenodo_metadata(title: str, description: str, date: str, license: str, citation: Citation) -> dict:
    """Metadata of a deposit.

    Args:
        title, description: Of the data set; plain text, paragraphs divided by an empty line.
        date: When the last answer was recorded, ISO 8601; empty: unknown. Zenodo sets the day of publication.
        license: SPDX identifier.
        citation: Of the code and its paper.

    Source: the fields and vocabularies of Zenodo's REST API (https://developers.zenodo.org/#representation).
    """
    creators = []
    for each in citation.creators:
        facts = {"name": each.inverted, "affiliation": each.affiliation, "orcid": each.orcid}
        creators.append({key: value for key, value in facts.items() if value})
    related = [{"identifier": citation.url, "relation": "isDerivedFrom", "resource_type": "software"}]
    related = related if citation.url else []
    if citation.paper:
        related += [{"identifier": each, "relation": "cites"} for each in citation.paper.identifiers]
    metadata: dict = {
        "title": title,
        "upload_type": "dataset",
        "description": "".join(f"<p>{html.escape(each)}</p>" for each in description.split("\n\n")),
        "creators": creators,
        "access_right": "open",
        "license": license.lower(),
        "keywords": citation.keywords,
        "version": citation.version,
        "language": "eng",
    }
    metadata |= {"dates": [{"type": "Collected", "end": date[:10]}]} if date else {}
    metadata |= {"related_identifiers": related} if related else {}
    return metadata | ({"references": [citation.paper.text]} if citation.paper else {})


def readme(
    title: str, description: str, license: str, files: Mapping[str, str], sealed: str, citation: Citation
) -> str:
    """README.md of the folder: its files, how to check them, then the capsule's own README.

    Args:
        title, description: Of the data set.
        license: SPDX identifier.
        files: What each file is.
        sealed: README.md of the capsule.
        citation: Of the code and its paper.
    """
    table = "\n".join(f"| `{name}` | {what} |" for name, what in files.items())
    cite = f"\nPlease cite:\n\n```bibtex\n{citation.paper.bibtex}\n```\n" if citation.paper else ""
    return f"""# {title}

{description}

| file | content |
|---|---|
{table}

Licence: {license}. Check the files:

    sha256sum -c {CHECKSUMS}

The Parquet files describe their columns themselves: `SELECT decode(value) FROM parquet_kv_metadata('FILE') WHERE
decode(key) = 'columns'` in DuckDB, `pyarrow.parquet.read_schema(FILE).metadata[b"columns"]` in Python.

For machine learning, here in this folder (`pip install mlcroissant pyarrow pillow`):

```python
import mlcroissant

data = mlcroissant.Dataset("croissant.json")
print([each.id for each in data.metadata.record_sets])
```

The library keeps what it unpacked by the name of the zip: set the variable `CROISSANT_CACHE` to a folder of its own for
each capsule.
{cite}
## capsule.zip

{_lower_headings(sealed)}"""


def _lower_headings(text: str) -> str:
    return "".join(f"##{line}" if line.startswith("#") else line for line in text.splitlines(keepends=True))
