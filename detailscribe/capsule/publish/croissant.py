"""Croissant metadata, `croissant.json`: images and scores as a data set that machine learning libraries load.

Version 1.0, which all readers of the format know. Each scenario has the record sets `{scenario}-images` and
`{scenario}-scores`, the rows of the Parquet files, and, if the capsule holds images, `{scenario}-pictures`: each image
with what it was made from.

Source: Croissant format specification 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from detailscribe.capsule.layout import STUDY
from detailscribe.capsule.publish.citation import ORCID, Citation, Creator
from detailscribe.capsule.publish.sealed_tables import MEMBER, PUBLISHED_IMAGES, PublishedTable
from detailscribe.tables.parquet.columns import NUMBER, NUMBERS, SEED, TEXT, TEXTS, TRUTH, WHOLE, Column

CROISSANT = "croissant.json"
VERSION = "http://mlcommons.org/croissant/1.0"
LICENCES = "https://spdx.org/licenses/"
TYPES = {TEXT: "sc:Text", NUMBER: "sc:Float", WHOLE: "sc:Integer", SEED: "sc:Integer", TRUTH: "sc:Boolean"}
REPEATED = {TEXTS: "sc:Text", NUMBERS: "sc:Float"}  # columns of other types are in the Parquet files alone
PICTURE_COLUMNS = ("image_set", "id", "topic", "stratum", "prompt", "seed", "k", "key")
MEDIA = {".jpg": "image/jpeg", ".png": "image/png"}
KEYS = {"images": ("image_set", "id"), "scores": ("metric", "id", "image_set")}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet"),
            *("format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
            *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField"),
            "transform",
        )
    },
}


class DataSet(NamedTuple):
    """What the metadata say of the data set as a whole.

    Attributes:
        name: In lower case, without blanks.
        date: ISO 8601; empty: none.
        license: SPDX identifier.
    """

    name: str
    description: str
    date: str
    license: str
    citation: Citation


def croissant_metadata(
    data: DataSet, files: Mapping[str, dict], tables: Iterable[PublishedTable], members: Iterable[str]
) -> dict:
    """The metadata.

    Args:
        data: The data set.
        files: {name: sha256, bytes} of the capsule and the Parquet files.
        tables: The Parquet files.
        members: Names in the capsule.
    """
    citation, tables, members = data.citation, list(tables), list(members)
    pictures = {table.scenario: _suffixes(table.scenario, members) for table in tables}
    distribution = [_file_object(name, entry) for name, entry in files.items()]
    distribution += [_file_set(scenario, suffixes) for scenario, suffixes in pictures.items() if suffixes]
    records = [_record_set(table) for table in tables]
    records += [_picture_set(table) for table in tables if table.table.name == "images" and pictures[table.scenario]]
    url = citation.url or (citation.paper.url if citation.paper else "")
    facts = {
        "name": data.name,
        "description": data.description,
        "license": LICENCES + data.license,
        "url": url,
        "version": citation.version,
        "datePublished": data.date,
        "keywords": citation.keywords,
        "citeAs": citation.paper.bibtex if citation.paper else "",
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        **{key: value for key, value in facts.items() if value},
        "creator": [_creator(each) for each in citation.creators],
        "distribution": distribution,
        "recordSet": records,
    }


def _creator(creator: Creator) -> dict:
    if not creator.family:
        return {"@type": "sc:Organization", "name": creator.name}
    facts = {"name": creator.name, "givenName": creator.given, "familyName": creator.family}
    facts |= {"url": ORCID + creator.orcid} if creator.orcid else {}
    return {"@type": "sc:Person", **{key: value for key, value in facts.items() if value}}


def _file_object(name: str, entry: dict) -> dict:
    zipped = name.endswith(".zip")
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{entry['bytes']} B",
        "encodingFormat": "application/zip" if zipped else "application/x-parquet",
        "sha256": entry["sha256"],
    }


def _suffixes(scenario: str, members: list[str]) -> dict[str, list[str]]:
    """Suffixes of the images of a scenario in the capsule, by folder: `images` or `thumbnails`."""
    found: dict[str, set[str]] = {}
    for folder in ("images", "thumbnails"):
        inside = f"{STUDY}results/{scenario}/{folder}/"
        suffixes = {PurePosixPath(each).suffix for each in members if each.startswith(inside)} & MEDIA.keys()
        if suffixes:
            found[folder] = suffixes
    return {folder: sorted(suffixes) for folder, suffixes in found.items()}


def _file_set(scenario: str, suffixes: dict[str, list[str]]) -> dict:
    places = [(folder, suffix) for folder, each in suffixes.items() for suffix in each]
    return {
        "@type": "cr:FileSet",
        "@id": f"{scenario}-files",
        "name": f"{scenario}-files",
        "description": f"Images of {scenario} in the capsule{', as thumbnails' if 'thumbnails' in suffixes else ''}.",
        "containedIn": {"@id": "capsule.zip"},
        "encodingFormat": sorted({MEDIA[suffix] for _, suffix in places}),
        "includes": [f"{STUDY}results/{scenario}/{folder}/*/*/*{suffix}" for folder, suffix in places],
    }


def _record_set(table: PublishedTable) -> dict:
    name = f"{table.scenario}-{table.table.name}"
    columns = [each for each in table.table.columns if each.type in {**TYPES, **REPEATED}]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": table.table.description.format(scenario=table.scenario),
        "key": [{"@id": f"{name}/{key}"} for key in KEYS[table.table.name]],
        "field": [_field(name, table.file, each) for each in columns],
    }


def _picture_set(table: PublishedTable) -> dict:
    name, files = f"{table.scenario}-pictures", f"{table.scenario}-files"
    described = {each.name: each for each in PUBLISHED_IMAGES.columns}
    path = {
        **_field_facts(name, MEMBER, "sc:Text"),
        "source": {
            "fileSet": {"@id": files},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": "^(.+)$"},  # a path as text, as it is in the column
        },
        "references": {"fileObject": {"@id": table.file}, "extract": {"column": MEMBER.name}},
    }
    image = Column("image", "", "the image")
    content = {"fileSet": {"@id": files}, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Images of {table.scenario} that the capsule holds, with what they were made from.",
        "key": {"@id": f"{name}/{MEMBER.name}"},
        "field": [
            path,
            {**_field_facts(name, image, "sc:ImageObject"), "source": content},
            *(_field(name, table.file, described[each]) for each in PICTURE_COLUMNS),
        ],
    }


def _field(record_set: str, file: str, column: Column) -> dict:
    kind = TYPES.get(column.type) or REPEATED[column.type]
    facts = _field_facts(record_set, column, kind) | ({"repeated": True} if column.type in REPEATED else {})
    return {**facts, "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}}}


def _field_facts(record_set: str, column: Column, kind: str) -> dict:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "description": column.description,
        "dataType": kind,
    }
