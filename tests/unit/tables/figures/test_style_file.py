"""The user's style file: what it may hold, and the line that an error names."""

from pathlib import Path

import pytest

from detailscribe.errors import InputError
from detailscribe.tables.figures.plot import parameters
from detailscribe.tables.figures.style_file import read_style
from tests.unit.study.configured import configured_study

GOOD = """# my style
font.size: 9.5   # larger
font.family: "Arial, DejaVu Sans"

axes.prop_cycle: cycler("color", ["#123456", "#abcdef"])  # with hashes inside quotes
font.size: 10
"""
BAD = [  # content, what the error says
    ("font.size: 9\nfont.sise: 9\n", ("line 2", "'font.sise'", "did you mean font.size?")),
    ("font.size: large enough\n", ("line 1", "font.size", "'large enough' cannot be used")),
    ("\nfont.size 9\n", ("line 2", "'font.size 9' is not `key: value`")),
    ("font.size:\n", ("line 1", "is not `key: value`")),
    ("backend: tkagg\n", ("line 1", "backend", "remove the line")),
    ("figure.figsize: 3, 4\n", ("line 1", "figure.figsize", "width_in and column_in")),
]


def test_settings_are_read_and_the_later_line_counts(tmp_path):
    (tmp_path / "my.mplstyle").write_text(GOOD)
    assert read_style(str(tmp_path / "my.mplstyle"), tmp_path) == {
        "font.size": "10",
        "font.family": "Arial, DejaVu Sans",
        "axes.prop_cycle": 'cycler("color", ["#123456", "#abcdef"])',
    }
    assert read_style("", tmp_path) == {}


@pytest.mark.parametrize(("content", "said"), BAD)
def test_an_error_names_file_line_and_way_out(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    Path("my.mplstyle").write_text(content)
    with pytest.raises(InputError) as error:
        read_style("my.mplstyle", tmp_path)
    assert all(part in str(error.value) for part in ("my.mplstyle", *said)), str(error.value)


@pytest.mark.parametrize(("content", "said"), [(None, "there is no such file"), (b"\xff\xfe\xff", "no text in UTF-8")])
def test_a_file_that_is_missing_or_no_text_is_named(tmp_path, content, said):
    if content is not None:
        (tmp_path / "my.mplstyle").write_bytes(content)
    with pytest.raises(InputError, match=f"figures: style: .*my.mplstyle.*{said}"):
        read_style(str(tmp_path / "my.mplstyle"), tmp_path)


def test_the_look_of_a_study_is_a_file_of_parameters_of_its_own(tmp_path):
    (tmp_path / "my.mplstyle").write_text("font.size: 11\n")
    plain, own = configured_study(), configured_study(figures={"style": str(tmp_path / "my.mplstyle"), "width_in": 5.5})
    assert parameters(plain)["figures"]["style"] == {} and parameters(plain)["figures"]["width_in"] == 7.0
    assert parameters(own)["figures"]["style"] == {"font.size": "11"} and parameters(own)["figures"]["width_in"] == 5.5
    assert parameters(own)["plot"] == parameters(plain)["plot"]
