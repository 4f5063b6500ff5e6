import pytest

from detailscribe.capsule.check.own_code import foreign_code

SHIPPED = {
    "metrics": {"clip": {"module": "clip_score"}, "hps": {"module": "preference.hps_v2"}},
    "refiners": {"sdedit": {"refiner": "sdedit"}},
}


def test_shipped_metrics_and_refiners_are_own_code():
    assert foreign_code(SHIPPED) == "" == foreign_code({})


@pytest.mark.parametrize(
    "module", ["my/metric.py", "os", "clip_score.py", "../clip_score", "..clip_score", "", None, 7]
)
@pytest.mark.parametrize(("group", "key"), [("metrics", "module"), ("refiners", "refiner")])
def test_any_other_code_is_named(group, key, module):
    said = foreign_code(SHIPPED | {group: {"mine": {key: module}}})
    assert said.startswith(f"{group}: mine ") and "runs no other code" in said
