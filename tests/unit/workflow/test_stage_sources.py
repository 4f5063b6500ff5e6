"""No stale results: a stage's code does not change without its ALGORITHM or the record of equal results."""

import json

import pytest

from tests import stage_sources

PRESENT = stage_sources.stages()


@pytest.fixture(scope="module")
def record() -> dict:
    return json.loads(stage_sources.RECORD.read_text(encoding="utf-8"))


def test_the_code_of_every_stage_is_as_recorded(record):
    assert not stage_sources.problems(record, PRESENT), "\n".join(stage_sources.problems(record, PRESENT))


def test_a_changed_source_without_a_raised_number_names_the_stage_the_file_and_what_to_do(record):
    changed = {**record["sources"], "detailscribe/methods/critique.py": "0" * 16}
    found = stage_sources.problems({**record, "sources": changed}, PRESENT)
    assert [problem.split(":")[0] for problem in found] == ["critique"]
    for part in ("detailscribe/methods/critique.py", "raise ALGORITHM", "CHANGELOG.md", "make record-stages"):
        assert part in found[0]


def test_what_stages_share_is_a_source_of_each(record):
    changed = {**record["sources"], "detailscribe/images/image_set.py": "0" * 16}
    found = {problem.split(":")[0] for problem in stage_sources.problems({**record, "sources": changed}, PRESENT)}
    assert {"generate", "refine", "external"} <= found
    assert not {"decompose", "tabulate", "plot"} & found


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("methods/refiners/sdedit.py", {"refiner sdedit"}),
        ("methods/refiners/editor.py", {"refiner editor"}),
        ("methods/refiners/noise_search.py", {"refiner noise_search"}),
        ("methods/refiners/prompt_switch.py", {"refine"}),
        ("methods/refiners/from_scratch.py", {"refine"}),
        ("engines/redraw_steps.py", {"refiner sdedit"}),
        ("scores/clip_score.py", {"metric clip_score"}),
        ("operations/budget/answer_costs.py", {"method_costs"}),
        ("operations/budget/image_costs.py", {"method_costs"}),
    ],
)
def test_what_no_module_of_a_stage_imports_is_recorded_too(file, stages):
    found = {stage for stage, (_, files) in PRESENT.items() if f"detailscribe/{file}" in files}
    assert stages <= found and (found == stages or file.startswith("engines")), found


def test_settings_of_refiners_are_sources_of_each():
    found = {stage for stage, (_, files) in PRESENT.items() if "detailscribe/methods/refiners/settings.py" in files}
    assert {"refine", "refiner best_of", "refiner noise_search", "refiner sdedit"} <= found


def test_a_raised_number_is_to_be_recorded(record):
    older = {**record["algorithms"], "judge": 1}
    assert "give the reason in CHANGELOG.md" in stage_sources.problems({**record, "algorithms": older}, PRESENT)[0]


def test_every_stage_has_a_script():
    scripts = {stage: [file for file in files if file.startswith("scripts/")] for stage, (_, files) in PRESENT.items()}
    without = {stage for stage, found in scripts.items() if not found and not stage.startswith(("metric ", "refiner "))}
    assert without == set()


def test_comments_docstrings_and_blank_lines_are_no_code():
    code = 'def f(x):\n    """Add."""\n\n    # why\n    return x + 1  # one\n'
    assert stage_sources.code_of(code) == stage_sources.code_of("def f(x):\n    return x + 1\n")
    assert stage_sources.code_of(code) != stage_sources.code_of("def f(x):\n    return x + 2\n")
    assert '"# no comment"' in stage_sources.code_of('x = "# no comment"  # a comment\n')
