"""The graph of images: levels and jobs, what each step starts from and costs, and a message for every wrong entry."""

import re

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.study.methods import denoising_steps_by_method
from tests.paths import REPOSITORY
from tests.unit.study.configured import CONFIG, configured_study

INITIAL = f"original-{CONFIG['seeds'][0]}"
CRITIC = {**CONFIG["critics"]["detailscribe"], "after_step": [1]}
REWRITER = CONFIG["rewriters"]["gpt_rewrite"]
PLUGIN = "ALGORITHM = 1\nSETTINGS = {}\n\n\ndef request(source, image_set, values, recipes):\n    ...\n\n\n"
ONE_SET = f"{PLUGIN}def graph(entry):\n    return [entry.refinement({{entry.name: {{}}}})]\n"


def critic(**changes) -> dict:
    return {**CRITIC, **changes}


def selection(*among: str, by: str = "clip_score") -> dict:
    return {"among": list(among), "by": by}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A user's folder with one refiner, `mine.py`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(ONE_SET)
    return tmp_path


# Rounds, a refiner with a critic's text, a selection among all of them, and a step that starts from the selection.
CHAIN = {
    "critics": {
        "ablation": None,
        "round_2": critic(of="detailscribe-k1"),
        "adviser": critic(of="best", after_step="none"),
    },
    "rewriters": {"longer": {**REWRITER, "of": "best"}},
    "refiners": {
        "redraw": {"refiner": "sdedit", "text": "round_2"},
        "again": {"refiner": "mine.py", "text": "adviser"},
    },
    "selections": {
        "better": selection("round_2-k1", "redraw-s60"),
        "best": selection("better", "initial"),
    },
}


@pytest.mark.parametrize(
    ("name", "level", "sources"),
    [
        (INITIAL, 0, []),
        ("gpt_rewrite", 0, []),
        ("hosted", 0, []),
        ("detailscribe-k4", 1, [INITIAL]),
        ("gpt_refine", 1, [INITIAL]),
        ("round_2-k1", 2, ["detailscribe-k1"]),
        ("redraw-s30", 2, ["detailscribe-k1"]),  # what the critic of its text looked at
        ("better", 2, ["round_2-k1", "redraw-s60"]),
        ("best", 2, ["better", INITIAL]),
        ("longer", 3, ["best"]),
        ("again", 3, ["best"]),
    ],
)
def test_images_are_made_from_their_sources_one_level_after_them(name, level, sources):
    graph = configured_study(**CHAIN).graph
    assert (graph.level(name), graph.sources_of(name)) == (level, sources)


def test_one_job_per_level_and_image_model_draws_all_its_refinements():
    other = {"refiners": {"drawn_by_medium": {"refiner": "mine.py", "image_model": "sd35_medium"}}}
    study = configured_study(**CHAIN | {"refiners": CHAIN["refiners"] | other["refiners"]})
    jobs = {job.rule: [each.name for each in job.refinements] for job in study.graph.jobs}
    assert jobs == {
        "refine_images": ["detailscribe", "gpt_refine"],
        "refine_images_by_sd35_medium": ["drawn_by_medium"],
        "refine_images_2": ["round_2", "redraw"],
        "refine_images_3": ["longer", "again"],
    }
    assert study.other_image_models == ["sd35_medium"]
    [second] = [job for job in study.graph.jobs if job.rule == "refine_images_2"]
    assert second.image_sets == ["round_2-k1", "redraw-s30", "redraw-s60", "redraw-s80"]


@pytest.mark.parametrize(
    ("names", "from_text", "refined", "texts", "selections"),
    [
        ([INITIAL], [INITIAL], {}, [], []),
        (["detailscribe-k1"], [INITIAL], {"detailscribe": ["detailscribe-k1"]}, ["detailscribe"], []),
        (
            ["redraw-s30"],
            [INITIAL],
            {"redraw": ["redraw-s30"], "detailscribe": ["detailscribe-k1"]},
            ["round_2", "detailscribe"],
            [],
        ),
        (
            ["again"],
            [INITIAL],
            {
                "again": ["again"],
                "redraw": ["redraw-s60"],
                "round_2": ["round_2-k1"],
                "detailscribe": ["detailscribe-k1"],
            },
            ["adviser", "round_2", "detailscribe"],
            ["best", "better"],
        ),
    ],
)
def test_needs_are_everything_that_images_are_made_with(names, from_text, refined, texts, selections):
    needs = configured_study(**CHAIN).graph.needs(names)
    assert (needs.image_sets, needs.refined, sorted(needs.texts)) == (from_text, refined, sorted(texts))
    assert needs.selections == selections


def test_a_search_of_many_rounds_is_a_graph_like_any_other():
    search = {"refiner": "noise_search", "verifier": "clip_score", "rounds": 40, "neighbours": 3}
    study = configured_study(refiners={"search": search})
    assert study.graph.level("search") == 40 and len(study.graph.jobs) == 40
    assert len(study.graph.flat("search")) == 1 + 40 * 3
    assert denoising_steps_by_method(study)["search"] == 28 + 40 * 3 * 28


def test_a_beam_of_many_rounds_is_walked_in_no_time():
    search = {"refiner": "noise_search", "verifier": "clip_score", "rounds": 40, "neighbours": 1, "width": 2}
    study = configured_study(refiners={"search": search}, selections={"best": selection("search")})
    sets = 1 + 1 + 39 * 2  # one start in the first round, two in each of the others
    assert study.graph.level("best") == 40
    assert len(study.graph.flat("best")) == sets
    assert len(study.graph.needs(["best"]).every_image_set) == sets
    assert denoising_steps_by_method(study)["best"] == 28 * sets


def test_every_step_knows_its_entry_and_the_stage_of_its_text():
    study = configured_study(
        critics={"ablation": None, "search_2": critic(of="search")},
        rewriters={"longer": {**REWRITER, "of": "search"}},
        refiners={
            "search": {"refiner": "noise_search", "verifier": "clip_score", "texts": [["gpt_rewrite"], ["gpt_refine"]]},
            "search-r1-x": {"refiner": "from_scratch", "text": "longer"},
        },
    )
    made = {each.name: (*each.entry, each.text_stage, each.place) for each in study.graph.refinements}
    assert made == {
        "detailscribe": ("critics", "detailscribe", "critique", "critics: detailscribe"),
        "gpt_refine": ("critics", "gpt_refine", "critique", "critics: gpt_refine"),
        "search_2": ("critics", "search_2", "critique", "critics: search_2"),
        "longer": ("rewriters", "longer", "rewrite", "rewriters: longer"),
        "search-r1": ("refiners", "search", "", "refiners: search: search-r1"),
        "search-r1-gpt_rewrite": ("refiners", "search", "rewrite", "refiners: search: search-r1-gpt_rewrite"),
        "search-r2": ("refiners", "search", "", "refiners: search: search-r2"),
        "search-r2-gpt_refine": ("refiners", "search", "critique", "refiners: search: search-r2-gpt_refine"),
        "search-r1-x": ("refiners", "search-r1-x", "rewrite", "refiners: search-r1-x"),
    }
    initial = study.originals()[0]
    assert {each.name: each.text_of for each in study.graph.refinements if each.text_of} == {
        **{"detailscribe": initial, "gpt_refine": initial, "search_2": "search", "search-r2-gpt_refine": initial}
    }
    assert study.graph.selections["search-r1"].place == "refiners: search: search-r1"


def test_nested_selections_choose_among_the_image_sets_of_all():
    graph = configured_study(**CHAIN).graph
    assert graph.flat("best") == ["round_2-k1", "redraw-s60", INITIAL]


def test_a_null_removes_a_refiner_and_a_selection():
    more = {"refiners": CHAIN["refiners"] | {"again": None}, "selections": CHAIN["selections"] | {"best": None}}
    critics, rewriters = CHAIN["critics"] | {"adviser": None}, {"longer": None}
    study = configured_study(**CHAIN | more | {"critics": critics, "rewriters": rewriters})
    assert "again" not in study.image_sets() and list(study.graph.selections) == ["better"]


# Denoising steps per prompt of the shipped studies. 28 of an image; k = 0 takes 28 more, k = 1, 2, 4 share five steps.
SHIPPED = {
    "sd": 28,
    "gpt_rewrite": 28,
    "multi_seed": 56,
    "gpt_refine": 56,
    "ablation": 135,
    "detailscribe": 135,
}


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, SHIPPED | {"equal_compute_seeds": 140}),
        ({"image_model": "sd35_large_paper", "extra_seeds": []}, SHIPPED),
        # The first steps of the candidates are the initial image's own: five fewer.
        ({"image_model": "sd35_large_reuse"}, {"detailscribe": 130, "gpt_refine": 56}),
        ({"critics": {"round_2": critic(of="detailscribe-k1")}}, {"round_2": 28 + 28 + 28}),
        (
            CHAIN,
            {
                "round_2": 28 + 28 + 28,
                "redraw": 28 + 28 + 9 + 17 + 23,
                "longer": 28 + 28 + 28 + 17 + 28,
                "better": 28 + 28 + 28 + 17,
                "best": 28 + 28 + 28 + 17,
                "again": 28 + 28 + 28 + 17 + 28,
            },
        ),
    ],
)
def test_a_method_pays_for_everything_that_its_images_are_made_with(changes, steps):
    found = denoising_steps_by_method(configured_study(**changes))
    assert {name: found[name] for name in steps} == steps


def refiner(text: str = ONE_SET, **entry) -> dict:
    """A refiner of the user's with its file's text."""
    return {"text of mine.py": text, "refiners": {"r": {"refiner": "mine.py", **entry}}}


WRONG = [
    # Names that do not exist.
    (
        {"critics": {"round_2": critic(of="nobody")}},
        "critics: round_2: of: 'nobody' is no image set and no selection; there are: initial, original-",
    ),
    ({"critics": {"c": critic(of="x", after_step="none")}}, "critics: c: of: 'x' is no image set and no selection"),
    ({"rewriters": {"w": {**REWRITER, "of": "nobody"}}}, "rewriters: w: of: 'nobody' is no image set"),
    ({"refiners": {"r": {"refiner": "sdedit", "of": "nobody"}}}, "refiners: r: of: 'nobody' is no image set"),
    ({"selections": {"s": selection("nobody")}}, "selections: s: among: 'nobody' is no image set"),
    (
        {"refiners": {"r": {"refiner": "sdedit", "of": "detailscribe"}}},
        "'detailscribe' is no image set and no selection; name one of its image sets (detailscribe-k0, "
        "detailscribe-k1, detailscribe-k2, detailscribe-k4), or a selection among them",
    ),
    ({"refiners": {"r": {"refiner": "sdedit", "of": "multi_seed"}}}, "make a selection among the seeds' images"),
    (
        {"refiners": {"r": {"refiner": "sdedit", "text": "nobody"}}},
        "refiners: r: text: 'nobody' is no critic and no rewriter; there are: detailscribe, ablation, gpt_refine",
    ),
    (
        {"critics": {"detailscribe": None}, "refiners": {"r": {"refiner": "sdedit", "text": "detailscribe"}}},
        "refiners: r: text: 'detailscribe' is no critic and no rewriter; there are: ablation",
    ),
    (
        {"refiners": {"r": {"refiner": "sdedit", "image_model": "big"}}},
        "refiners: r: image_model: 'big' is not one",
    ),
    ({"selections": {"s": selection("initial", by="beauty")}}, "selections: s: by: 'beauty' is not one of metrics"),
    (
        {"refiners": {"r": {"refiner": "best_of", "n": 3, "verifier": "clip_scor"}}},
        "refiners: r: verifier: 'clip_scor' is not one of metrics and judges (judge-NAME): did you mean clip_score? "
        "There are: ",
    ),
    (
        {"refiners": {"r": {"refiner": "noise_search", "verifier": "beauty", "rounds": 2}}},
        "refiners: r: verifier: 'beauty' is not one of metrics",
    ),
    (
        {"critics": {"c": critic(of="detailscrib-k1")}},
        "critics: c: of: 'detailscrib-k1' is no image set and no selection; did you mean detailscribe-k1? There are: "
        "initial, ",
    ),
    (
        {
            "refiners": {f"r{n}": {"refiner": "sdedit"} for n in range(9)}
            | {"x": {"refiner": "sdedit", "text": "ablatio"}}
        },
        "refiners: x: text: 'ablatio' is no critic and no rewriter; did you mean ablation? There are: detailscribe, ",
    ),
    # Names that are taken.
    (
        {"selections": {"gpt_rewrite": selection("initial")}},
        "selections: 'gpt_rewrite' is the name of an image set",
    ),
    ({"selections": {"multi_seed": selection("initial")}}, "selections: 'multi_seed' is the name of an image set"),
    ({"selections": {"initial": selection("hosted")}}, "'initial' stands for the image of the first seed; rename"),
    (
        {"selections": {"detailscribe": selection("initial")}},
        "selections: detailscribe: the tables have a row 'detailscribe' already; rename the sel",
    ),
    ({"refiners": {"detailscribe": {"refiner": "sdedit"}}}, "have two entries 'detailscribe'; rename one"),
    (
        {"critics": {"x": critic(after_step="none")}, "refiners": {"x": {"refiner": "sdedit", "text": "x"}}},
        "critics, rewriters and refiners have two entries 'x'; rename one",
    ),
    ({"refiners": {"hosted": {"refiner": "mine.py"}}}, "make the image set 'hosted' twice; rename one"),
    ({"refiners": {"r": {"refiner": "from_scratch"}}}, "refiners: r: from_scratch needs `text`, a critic or rewriter"),
    # Images that would be made from themselves.
    ({"critics": {"c": critic(of="c-k1")}}, "critics: c: of: c-k1: these images would be made from them"),
    ({"rewriters": {"w": {**REWRITER, "of": "w"}}}, "rewriters: w: of: w: these images"),
    (
        {"critics": {"a": critic(of="b-k1"), "b": critic(of="a-k1")}},
        "critics: a: of: b-k1; critics: b: of: a-k1: these",
    ),
    (
        {
            "critics": {"a": critic(of="r"), "b": critic(of="a-k1")},
            "refiners": {"r": {"refiner": "mine.py", "of": "b-k1"}},
        },
        "critics: a: of: r; refiners: r: of: b-k1; critics: b: of: a-k1: these images",
    ),
    (
        {"critics": {"a": critic(of="s")}, "selections": {"s": selection("initial", "a-k1")}},
        "critics: a: of: s; selections: s: among: a-k1: these images",
    ),
    (
        {
            "critics": {"c": critic(of="search-r1")},
            "refiners": {"search": {"refiner": "noise_search", "verifier": "clip_score", "texts": [["c"]]}},
        },
        "refiners: search: search-r1: among: search-r1-c; refiners: search: search-r1-c: text: c; "
        "critics: c: of: search-r1: these",
    ),
    (
        {
            "refiners": {"search": {"refiner": "noise_search", "verifier": "clip_score"}},
            "selections": {"search-r1": selection("initial")},
        },
        "refiners: search: its selection 'search-r1' exists already; rename one",
    ),
    (
        {"selections": {"s": selection("t"), "t": selection("s")}},
        "selections: s: among: t; selections: t: among: s: these images",
    ),
    (
        {
            "critics": {"a": critic(of="r", after_step="none")},
            "refiners": {"r": {"refiner": "mine.py", "text": "a", "of": "initial"}},
        },
        "refiners: r: text: a; critics: a: of: r: these images",
    ),
    (
        {"selections": {"s": selection("initial"), "t": selection("s", by="image_reward")}},
        "selections: t: among: 's' selects by clip_score, not by image_reward; name its image sets instead",
    ),
    # Settings.
    (
        {"refiners": {"r": {"refiner": "sdedit", "strength": 1}}},
        "refiners: r: 'strength' is no setting of sdedit; its",
    ),
    (
        {"refiners": {"r": {"refiner": "from_scratch", "text": "ablation", "k": 1}}},
        "'k' is no setting of from_scratch; its settings: none",
    ),
    (
        {"refiners": {"r": {"refiner": "sdedit", "strengths": 1}}},
        "refiners: r: strengths must be a list, as its default [0.3, 0.6, 0.8] is, got 1",
    ),
    (
        {"refiners": {"r": {"refiner": "sdedit", "strengths": [2]}}},
        "is a number of hundredths from 0.01 to 1, got 2",
    ),
    (
        {"refiners": {"r": {"refiner": "prompt_switch", "text": "ablation", "after_step": "scratch"}}},
        "refiners: r: after_step",
    ),
    (
        {"refiners": {"r": {"refiner": "prompt_switch", "text": "ablation", "after_step": [1, 27]}}},
        "refiners: r: after_step 27 leaves no step for the refined prompt; with 28 steps it must be at most 26",
    ),
    # Modules.
    (
        refiner("ALGORITHM = 1\nSETTINGS = {}\n"),
        "refiners: r: the refiner module mine.py lacks graph, request: see deta",
    ),
    (
        {"refiners": {"r": {"refiner": "nothing"}}},
        "refiners: r: no refiner module 'nothing': neither detailscribe.",
    ),
    (
        {"refiners": {"r": {"refiner": "lab.x"}}},
        "refiners: r: no refiner module 'lab.x': neither detailscribe.methods",
    ),
    (
        {"refiners": {"r": {"refiner": "lab/x.py"}}},
        "refiners: r: no refiner module 'lab/x.py': there is no such file",
    ),
    (
        refiner("ALGORITHM = 1\n"),
        "refiners: r: the refiner module mine.py lacks SETTINGS, graph, request: see detail",
    ),
    (
        refiner("import no_such_package\n"),
        "refiners: r: the refiner mine.py needs the package no_such_package: inst",
    ),
    (
        refiner("def :\n"),
        "refiners: r: the refiner mine.py fails at line 1: SyntaxError: invalid syntax; correct it",
    ),
    (refiner("\n1 / 0\n"), "refiners: r: the refiner mine.py fails at line 2: ZeroDivisionError: division by zero"),
    (
        refiner(f"{PLUGIN}def graph(entry):\n    return entry.settings['x']\n"),
        "refiners: r: the refiner mine.py fails at line 10: KeyError: 'x'; correct it",
    ),
    (
        refiner(f"{PLUGIN}def graph(entry):\n    import no_such_package\n"),
        "refiners: r: the refiner mine.py needs the package no_such_package: install it",
    ),
    (
        refiner(f"{ONE_SET}\n\ndef steps(values, full):\n    return values['x']\n"),
        "mine.py fails at line 14: KeyError",
    ),
    *(
        (
            refiner(f"{PLUGIN}def graph(entry):\n    return {wrong}\n"),
            "refiners: r: graph() of mine.py must return a list of refinements and selections, got ",
        )
        for wrong in ("None", "[]", "entry.refinement({entry.name: {}})", "[entry.name]", "{}")
    ),
    (
        refiner(f"{PLUGIN}def graph(entry):\n    return [entry.refinement({{}})]\n"),
        "refiners: r: graph() of mine.py gives the refinement 'r' no image set",
    ),
    (
        refiner(f"{PLUGIN}def graph(entry):\n    return [entry.refinement({{'../x': {{}}}})]\n"),
        "refiners: r: graph() of mine.py names '../x'; a name has lower-case letters, digits, _ and -, and begins",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG)
def test_a_wrong_entry_is_named_with_its_value_and_the_way_out(folder, changes, sentence):
    message = message_of(folder, changes)
    assert sentence in message and "\n" not in message


def message_of(folder, changes: dict) -> str:
    """What a study with a wrong entry says."""
    changes = dict(changes)
    (folder / "mine.py").write_text(changes.pop("text of mine.py", ONE_SET))
    with pytest.raises((InputError, SetupError)) as caught:
        denoising_steps_by_method(configured_study(**changes))
    return str(caught.value)


def test_the_messages_that_the_document_shows_are_those_that_are_said(folder):
    text = (REPOSITORY / "docs" / "methods.md").read_text(encoding="utf-8")
    section = text[text.index("## What goes wrong") :]
    shown = re.findall(r"^\|[^|]+\| `+(.+?)`+ \|$", section, re.M)
    said = [message_of(folder, changes) for changes, _ in WRONG]
    assert len(shown) > 5
    for message in shown:
        pattern = re.escape(message).replace(re.escape("..."), ".*")
        assert any(re.fullmatch(pattern, each) for each in said), message


def test_a_refiner_is_a_file_or_an_installed_module(folder, monkeypatch):
    (folder / "lab").mkdir()
    (folder / "lab" / "redraw.py").write_text(ONE_SET)
    monkeypatch.syspath_prepend(folder)
    study = configured_study(refiners={"one": {"refiner": "lab.redraw"}, "two": {"refiner": "lab/redraw.py"}})
    assert {"one", "two"} <= set(study.image_sets())
