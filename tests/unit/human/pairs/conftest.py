"""The sheets of two raters, written once."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from detailscribe.human.pairs.sheets import write_pair_sheets
from tests.unit.human.pairs.sample_pairs import VALUES, dictionary_in, scores_of


class Sheets(NamedTuple):
    """Folder with {rater}.html and keys/, and the key's rows by rater."""

    folder: Path
    keys: dict[str, list[dict]]


@pytest.fixture(scope="session")
def sheets(tmp_path_factory) -> Sheets:
    """Do not write to them."""
    folder = tmp_path_factory.mktemp("pair_sheets")
    rows = dictionary_in(folder)
    outputs = [(rater, folder / f"{rater}.html") for rater in VALUES["raters"]]
    written = write_pair_sheets(rows, VALUES, scores_of(rows), Path("/"), folder / "keys", outputs, lambda: None)
    keys: dict[str, list[dict]] = {}
    for row in json.loads(json.dumps(written)):
        keys.setdefault(row["rater"], []).append({name: value for name, value in row.items() if name != "sheet"})
    return Sheets(folder, keys)
