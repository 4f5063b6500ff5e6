"""A sample of the seeded fault cases of `make faults`."""

import pytest

from tests.fault_cases.kind import run_cases
from tests.fault_cases.kinds import KINDS

SAMPLE = 8  # cases per kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.in_sample], ids=lambda kind: kind.name)
def test_sample_of_the_fault_cases_ends_as_it_must(kind, tmp_path):
    problems = list(run_cases(kind, 0, list(range(SAMPLE)), tmp_path))
    assert problems == []
