"""Variables of the templates of each role, and what is refused at the start of a run."""

import pytest
import yaml

from detailscribe.errors import InputError
from detailscribe.methods import critique, decompose, rewrite
from detailscribe.prompts import writing
from detailscribe.scores.judges import marks as judge
from detailscribe.scores.judges import pairs
from tests.unit.study.configured import CONFIG, configured_study

FILE = "my/own.yaml"
CRITIC = CONFIG["critics"]["detailscribe"] | {"template": FILE}
PLAIN = CRITIC | {"decomposition": False}
REWRITER = CONFIG["rewriters"]["gpt_rewrite"] | {"template": FILE}
JUDGE = CONFIG["judges"]["main"]
TOPICS = {"topics": {"mine": {"file": "my/topics.txt", "kind": "functional"}}}
BASE, LATER, PARTS = ["prompt", "topic"], ["original_prompt"], ["concept", "components"]
ROLES = {
    "decompose": (decompose, {"templates": {"decompose": FILE}}, BASE),
    "critic": (critique, {"critics": {"c": CRITIC}}, BASE + PARTS),
    "critic without decomposition": (critique, {"critics": {"c": PLAIN}}, BASE),
    "critic of the initial image": (critique, {"critics": {"c": PLAIN | {"of": "initial"}}}, BASE),
    "critic of a later image": (critique, {"critics": {"c": CRITIC | {"of": "hosted"}}}, BASE + LATER + PARTS),
    "critic that may stop": (critique, {"critics": {"c": PLAIN | {"stop": True}}}, BASE + LATER),
    "rewriter": (rewrite, {"rewriters": {"w": REWRITER}}, BASE),
    "rewriter of an image's prompt": (rewrite, {"rewriters": {"w": REWRITER | {"of": "hosted"}}}, BASE + LATER),
    "judge": (judge, {"judges": {"j": JUDGE | {"template": FILE}}}, [*BASE, "scale", "structured", "reading"]),
    "judge of a scenario": (
        judge,
        {"judges": {"j": JUDGE | {"scenario_templates": {"demo": FILE}}}},
        [*BASE, "scale", "structured", "reading"],
    ),
    "judge of pairs": (
        pairs,
        {"judges": {"pairs": CONFIG["judges"]["demo_pairs"] | {"template": FILE}}},
        [*BASE, "scale", "structured", "reading"],
    ),
    "write": (writing, {**TOPICS, "templates": {"write": {"functional": FILE}}}, ["topic", "kind"]),
}


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Write the template's `user`, or both of its texts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "topics.txt").write_text("a fox\n")

    def write(user: object, system: object = "") -> None:
        (tmp_path / FILE).write_text(yaml.safe_dump({"system": system, "user": user}))

    return write


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", ["prompt", "topic", "original_prompt", "concept", "components", "scale", "kind", "x"])
def test_each_role_s_template_has_its_own_variables(template, role, name):
    owner, changes, variables = ROLES[role]
    template(f"See {{{{ {name} }}}}.")
    study = configured_study(**changes)
    if name in variables:
        assert owner.parameters(study)
    else:
        with pytest.raises(InputError, match=f"my/own.yaml: user: there is no variable '{name}' in this role's templ"):
            owner.parameters(study)


@pytest.mark.parametrize(
    ("user", "system", "said"),
    [
        ("{{ prompt }}", "{{ concept }}", "critics: c: my/own.yaml: system: there is no variable 'concept'"),
        ("{{ promt }}", "", "user: there is no variable 'promt' in this role's templates; did you mean prompt? There"),
        ("{% if original_prompt is defined %}{{ original_prompt }}{% endif %}{{ note | default('') }}", "", ""),
        ("{% for part in range(3) %}{{ part }}{{ loop.index }}{% endfor %}{% set x = 1 %}{{ x }}", None, ""),
        ("{{ prompt", "", "user, line 1: unexpected end of template"),
        ("a\n{% if prompt %}\nb", "", "user, line 2: Unexpected end of template"),
        (5, "", "user: must be a text, got 5"),
    ],
)
def test_a_template_is_read_before_any_job(template, user, system, said):
    template(user, system)
    study = configured_study(critics={"c": PLAIN})
    if not said:
        assert critique.parameters(study)["critique-c"]["template"] == {"system": system, "user": user}
        return
    with pytest.raises(InputError) as caught:
        critique.parameters(study)
    assert said in str(caught.value) and str(caught.value).startswith("critics: c: my/own.yaml: ")
