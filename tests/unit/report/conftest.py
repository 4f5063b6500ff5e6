"""The small scenario and its site."""

from pathlib import Path

import pytest

from detailscribe.report.prompt_story import ScenarioResults
from detailscribe.report.scenario_site import write_scenario
from tests.unit.report.small_scenario import NOTICE, small_overview, small_scenario


@pytest.fixture
def results(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def scenario(results) -> ScenarioResults:
    return small_scenario(results)


@pytest.fixture
def site(results, scenario) -> Path:
    folder = results / "mine" / "report"
    write_scenario(folder, scenario, small_overview(notice=NOTICE), results, 2)
    return folder
