"""Accelerations of an entry: what enters parameters and keys, and values that are refused."""

import pytest

from detailscribe.engines.acceleration.options import check_options, lossy_options
from detailscribe.engines.load import load_engine
from detailscribe.errors import InputError
from tests.small_sd3 import GENERATION, entry

DEFAULTS = [
    {},
    {"guidance_interval": [0, 1], "block_cache": 0, "reuse_first_steps": False},
    {"guidance_interval": [0.0, 1.0], "block_cache": 0.0},
    {"guidance_interval": None, "block_cache": None},
]


@pytest.mark.parametrize("values", DEFAULTS)
def test_defaults_are_no_options(values):
    assert lossy_options(entry("x", **values)) == {}
    check_options(entry("x", **values), GENERATION)


def test_options_are_normalised():
    assert lossy_options({"guidance_interval": [0, 0.8], "block_cache": 1}) == {
        "guidance_interval": [0.0, 0.8],
        "block_cache": 1.0,
    }
    assert lossy_options({"reuse_first_steps": True}) == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_cache": -0.1}, r"block_cache must be a number from 0 \(off\) to 1, got -0.1"),
        ({"block_cache": 1.5}, "got 1.5"),
        ({"block_cache": "high"}, "got 'high'"),
        ({"block_cache": True}, "got True"),
        ({"block_cache": float("nan")}, "got nan"),
        ({"reuse_first_steps": "yes"}, "reuse_first_steps must be true or false, got 'yes'"),
        ({"guidance_interval": [1, 0]}, r"guidance_interval must be \[first, last\]"),
    ],
)
def test_values_outside_their_range(values, message, miniature):
    for check in (check_options, load_engine):
        with pytest.raises(InputError, match=message):
            check(entry(miniature / "sd3", **values), GENERATION)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_cache": 0.1}, "block_cache: FluxPipeline runs unmodified, .*: remove the key$"),
        (
            {"guidance_interval": [0, 0.8], "reuse_first_steps": True},
            "guidance_interval, reuse_first_steps: FluxPipeline runs unmodified, .*: remove the keys$",
        ),
    ],
)
def test_pipelines_that_run_unmodified(values, message, tmp_path):
    for check in (check_options, load_engine):
        with pytest.raises(InputError, match=message):
            check(entry(tmp_path, pipeline="FluxPipeline", batch="image", **values), GENERATION)
