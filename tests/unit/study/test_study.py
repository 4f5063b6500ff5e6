import re

import pytest

from detailscribe.engines.metric_weights import metric_identity
from detailscribe.errors import InputError
from detailscribe.scores.model_weights import hub_weights
from detailscribe.workflow.parameters import stage_parameters
from detailscribe.workflow.watched import watched_folders
from tests.paths import REPOSITORY
from tests.unit.study.configured import CONFIG, configured_study

COSTS = {"method_costs", "budget"}  # parameter files
OF_PEOPLE = {"human_agreement", "human_assisted", "human_worth"}


def changed_parameters(**changes) -> set[str]:
    """Names of the parameter files that a change rewrites, adds or takes away."""
    before, after = stage_parameters(configured_study()), stage_parameters(configured_study(**changes))
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_image_sets_carry_the_names_that_readers_rely_on():
    refined = [f"{critic}-k{k}" for critic in ("detailscribe", "ablation") for k in (0, 1, 2, 4)]
    expected = {"original-2628670643", "original-2628670647", "gpt_rewrite", "gpt_refine", "hosted", *refined}
    assert expected <= set(configured_study().image_sets())


def test_methods_name_image_sets_that_exist_and_the_papers_selections():
    methods = {method.name: method for method in configured_study().methods()}
    assert {name for method in methods.values() for name in method.candidates} <= set(configured_study().image_sets())
    assert methods["detailscribe"].headline == "oracle"
    assert methods["multi_seed"].headline == "by:clip_score"
    assert methods["multi_seed"].candidates == ("original-2628670643", "original-2628670647")


def test_equal_compute_seeds_pay_for_as_many_steps_as_detailscribe():
    config, methods = CONFIG, {method.name: method for method in configured_study().methods()}
    steps = config["generation"]["steps"]
    seeds = len(methods["equal_compute_seeds"].candidates)
    assert seeds * steps == steps + len(methods["detailscribe"].candidates) * steps


def test_equal_compute_seeds_never_outnumber_what_the_strongest_method_pays_for():
    found = configured_study(extra_seeds=list(range(20))).candidates_of_method("equal_compute_seeds")
    assert len(found) == 5
    fewer = configured_study(extra_seeds=[1]).candidates_of_method("equal_compute_seeds")
    assert len(fewer) == 3


@pytest.mark.parametrize(
    ("changes", "steps", "seeds"),
    [
        ({}, 135, 4),  # detailscribe
        ({"image_models": {"miniature": {"reuse_first_steps": True}}}, 130, 4),
        ({"generation": {"steps": 6}}, 25, 4),
        ({"extra_seeds": [1]}, 135, 3),  # all there are
        ({"critics": {"detailscribe": {"after_step": [4]}, "ablation": None, "gpt_refine": None}}, 56, 2),
    ],
)
def test_seeds_at_equal_steps_cost_at_most_what_the_costliest_critic_costs(changes, steps, seeds):
    study = configured_study(budget={"equal_compute": "steps"}, **changes)
    found = stage_parameters(study)["plot"]["steps"]
    assert found["detailscribe"] == steps
    full = study.config["generation"]["steps"]
    assert found["equal_compute_seeds"] == seeds * full == len(study.candidates_of_method("equal_compute_seeds")) * full


def test_one_seed_at_equal_steps_is_no_selection():
    refined = {"detailscribe": {"after_step": "none"}, "ablation": None, "gpt_refine": {"after_step": "none"}}
    study = configured_study(budget={"equal_compute": "steps"}, critics=refined, human={"methods": ["sd"]})
    assert len(study.candidates_of_method("equal_compute_seeds")) == 5, "no critic draws an image"


def test_steps_of_a_method_are_those_of_all_images_it_chooses_from():
    steps = stage_parameters(configured_study())["plot"]["steps"]
    # 28 of the first image; k = 0 takes 28 more, k = 1, 2, 4 share five steps and take 26, 25 and 23 by themselves.
    assert steps["detailscribe"] == 28 + 28 + 5 + 26 + 25 + 23
    assert (steps["sd"], steps["multi_seed"], steps["gpt_refine"], steps["gpt_rewrite"]) == (28, 56, 56, 28)
    assert "hosted" not in steps


def test_a_baseline_that_is_no_method_is_refused():
    with pytest.raises(InputError, match="statistics: baseline: 'nobody' is not one of the methods"):
        configured_study(statistics={"baseline": "nobody"})
    with pytest.raises(InputError, match="statistics: best_of: 'mine' is not one of the methods"):
        configured_study(statistics={"best_of": ["sd", "mine"]})


def test_a_metrics_range_is_its_modules_own_or_the_one_known_or_none():
    ranges = stage_parameters(configured_study())["tabulate"]["ranges"]
    known = {"clip_score": [0, 2.5], "image_reward": None, "blip_vqa": [0, 1], "judge-main": [1, 5]}
    assert ranges == known | {"judge-demo_parts": [0, 1], "judge-demo_parts-geometric": [0, 1]}


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({"roles": {"decompose": {"model": "other"}}}, {"decompose"}),
        ({"generation": {"swap_pooled": True}}, r"(generate|refine)-.*"),
        ({"generation": {"guidance": 2}}, r"(generate|refine)-.*"),
        (
            {"seeds": [2628670647, 2628670643]},
            r"(refine|critique|generate)-.*|clean|tabulate|pool|select|sets|report|human.*|method_costs|budget"
            r"|parts_table|judge-demo_(audit|pairs)|figures|reports|parquet",
        ),
        ({"study": ["demo", "toy_data_001"]}, {"pool", "reports"}),
        (
            {"judges": {"second": CONFIG["judges"]["main"]}},
            {"judge-second", "clean", "tabulate", "pool", "compare", "repeats", "cost", "parquet"}
            | {"figures", "report", "reports"}
            | COSTS
            | OF_PEOPLE,
        ),
        (
            {"critics": {"ablation": {"after_step": [1]}}},
            {"refine-ablation", "clean", "tabulate", "pool", "plot", "sets", "report", "reports", "parts_table"}
            | {"judge-demo_audit", "parquet"}
            | COSTS,
        ),
        ({"quirks": {"judge_missing_score": 2}}, {"judge-main"}),
        ({"quirks": {"judge_parsing": "released"}}, {"judge-main"}),
        ({"quirks": {"judge_parsing": "strict"}}, set()),
        ({"bootstrap": {"seed": 1}}, {"tabulate", "pool", "pairs_table", "human_pair_scores"}),
        ({"human": {"pairs": {"schedule": "all"}}}, {"human_pair_sheets"}),
        ({"human": {"pairs": {"methods": ["sd", "hosted"]}}}, {"human_pair_sheets", "human_pair_scores"}),
        ({"statistics": {"test": "wilcoxon"}}, {"tabulate", "pool"}),
        ({"statistics": {"best_of": ["sd", "detailscribe"]}}, {"tabulate", "pool", "human_scores"}),
        ({"quirks": {"ties_win": True}}, r"tabulate|pool|human_(scores|released)"),
        (
            {"extra_seeds": []},
            r"generate-26286706(51|55|59)|clean|tabulate|pool|plot|sets|reports?|figures|method_costs|budget|parts_table"
            r"|parquet",
        ),
        ({"endpoints": {"offline": {"in_flight": 1}}}, set()),
        ({"exchanges": "replay"}, set()),
        ({"judges": {"main": {"reply": "structured"}}}, {"judge-main"}),
        (
            {"judges": {"main": {"scale": "yes_no"}}},
            {"judge-main", "compare", "tabulate", "pool", "budget", "report", "reports"},
        ),
        ({"judges": {"main": {"scenario_templates": {"demo": "judge_spatial"}}}}, {"judge-main"}),
        ({"metrics": {"blip_vqa": {"size_px": 64}}}, {"score-blip_vqa", "truncation", "method_costs"}),
        ({"budget": {"in_tables": True}}, {"tabulate"}),
        ({"budget": {"equal_compute": "steps"}}, {"tabulate", "pool", "plot", "report", "reports", "figures"} | COSTS),
        (
            {"metrics": {"blip_vqa": None}},
            r"score-blip_vqa|phrases-.*|truncation|clean|tabulate|pool|human_(agreement|assisted|worth)|method_costs"
            r"|budget|figures|reports?|parquet",
        ),
        ({"refresh": {"critique": 1}}, {"critique-detailscribe", "critique-ablation"}),
        ({"refresh": {"judge-main": 1}}, {"judge-main"}),
        ({"refresh": {"hosted": 2}}, {"external-hosted"}),
        ({"refresh": {"critique": 0}}, set()),
        ({"budget_usd": 5, "plan": {"step_s": 1}, "preflight": {"warn_days": 1}}, set()),
        (
            {"endpoints": {"offline": {"requests_per_minute": 9, "batch": True, "prices": {"m": {"image_usd": 1}}}}},
            set(),
        ),
        ({"shards": 5}, set()),
        ({"image_models": {"miniature": {"offload": "model"}}}, set()),
        ({"image_models": {"miniature": {"batch": "candidates"}}}, {"refine-detailscribe", "refine-ablation"}),
        ({"image_models": {"miniature": {"compile": "regions"}}}, r"(generate|refine)-.*"),
        ({"endpoints": {"other": CONFIG["endpoints"]["vllm"]}, "roles": {"decompose": {"endpoint": "other"}}}, set()),
    ],
)
def test_a_change_rewrites_the_parameters_of_what_depends_on_it(changes, files):
    found = changed_parameters(**changes)
    if isinstance(files, str):
        assert found and all(re.fullmatch(files, name) for name in found), found
    else:
        assert found == files


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"study": ["nowhere"]}, "study: 'nowhere' is not one of scenarios"),
        ({"scenarios": {"tables": "a.jsonl"}}, "'tables' is a name that the pipeline uses itself"),
        (
            {"scenarios": {"mine": "resources/interacting/typo.jsonl"}},
            "mine: there is no file resources/interacting/typo",
        ),
        ({"extra_seeds": [2628670643]}, "extra_seeds: 2628670643 is one of seeds already"),
        ({"topics": {"mine": {"file": "nowhere.txt", "kind": "functional"}}}, "topics: mine: there is no file"),
        ({"external": {"mine": {"folder": "nowhere"}}}, "external: mine: there is no folder nowhere"),
        ({"rewriters": {"sd": CONFIG["rewriters"]["gpt_rewrite"]}}, "the tables have a row 'sd' already"),
        ({"generation": {"steps": 1}}, "steps must be at least 2"),
        ({"scenarios": {"mine": "nowhere.jsonl"}}, "scenarios: mine: there is no file nowhere.jsonl"),
        (
            {"roles": {"critique": {"endpoint": "nowhere"}}},
            "roles: critique: endpoint: 'nowhere' is not one of endpoints",
        ),
        ({"critics": {"ablation": {"role": "nobody"}}}, "ablation: role: 'nobody' is not one of roles"),
        ({"critics": {"ablation": {"after_step": [27]}}}, "after_step 27 leaves no step"),
        ({"rewriters": {"hosted": CONFIG["rewriters"]["gpt_rewrite"]}}, "make the image set 'hosted' twice"),
        ({"seed_selector": "beauty"}, "seed_selector: 'beauty' is not one of metrics"),
        ({"templates": {"decompose": "nothing"}}, "template 'nothing': there is no such file; looked for "),
        ({"metrics": {"mine": {"module": "no_such_metric"}}}, "no metric module 'no_such_metric'"),
        (
            {"metrics": {"mine": {"module": "no/such_file.py"}}},
            "no metric module 'no/such_file.py': there is no such file",
        ),
        ({"scenarios": {"mine": "a/{y}.jsonl"}}, "scenarios: mine: the path 'a/{y}.jsonl' has a '{'"),
        ({"scenarios": {"mine": {"file": "a\nb.jsonl"}}}, "scenarios: mine: the path 'a\\nb.jsonl' has a '\\n'"),
        ({"topics": {"mine": {"file": "}", "kind": "functional"}}}, "topics: mine: the path '}' has a '}'"),
        ({"external": {"mine": {"folder": "{id}"}}}, "external: mine: the path '{id}' has a '{'"),
        ({"external": {"mine": {"table": "{id}.csv"}}}, "external: mine: the path '{id}.csv' has a '{'"),
        ({"interacting_folder": "{a}"}, "interacting_folder: the path '{a}' has a '{'"),
        ({"noun_phrases": {"folder": "{a}"}}, "noun_phrases: folder: the path '{a}' has a '{'"),
        ({"human": {"ratings_folder": "{a}"}}, "human: ratings_folder: the path '{a}' has a '{'"),
        ({"human": {"released_folder": "{a}"}}, "human: released_folder: the path '{a}' has a '{'"),
        (
            {"judges": {"main": {"scenario_templates": {"nowhere": "judge_spatial"}}}},
            "judges: main: scenario_templates: 'nowhere' is not one of scenarios",
        ),
    ],
)
def test_a_contradiction_is_named_with_the_way_out(changes, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        stage_parameters(configured_study(**changes))


def test_profiles_of_speed_and_other_models_are_one_word(tmp_path):
    names = ("paper", "24gb", "exact", "fast", "faster")
    large = {name: CONFIG["image_models"][f"sd35_large_{name}"] for name in names}
    assert len({(entry["path"], entry["revision"], entry["size_px"]) for entry in large.values()}) == 1
    paper, small = (stage_parameters(configured_study(image_model=f"sd35_large_{name}")) for name in ("paper", "24gb"))
    assert paper == small, "what is where changes no image"
    for name in CONFIG["image_models"]:
        changed = configured_study(image_model=name)
        assert stage_parameters(changed)["generate-2628670643"]["model"]["path"] == CONFIG["image_models"][name]["path"]
        assert ("model" in hub_weights(changed)) is (name != "miniature")


def test_the_users_folders_are_watched_and_the_miniature_is_not(tmp_path):
    (tmp_path / "clip").mkdir()
    mine = {**CONFIG["metrics"]["clip_score"], "model": f"local-dir:{tmp_path / 'clip'}"}
    changed = configured_study(metrics={"mine": mine}, external={"mine_too": {"folder": str(tmp_path)}})
    assert watched_folders(changed) == {"score-mine": tmp_path / "clip", "external-mine_too": tmp_path}
    assert (
        metric_identity(mine) != metric_identity({**mine, "model": "ViT-B-32-quickgelu", "pretrained": "openai"}) == ""
    )
    before = metric_identity(mine)
    (tmp_path / "clip" / "weights").write_bytes(b"w")
    assert metric_identity(mine) != before
    file = {"model": "ViT-B-32-quickgelu", "pretrained": str(tmp_path / "clip" / "weights")}
    assert metric_identity(file).startswith("sha256:")


def test_every_value_of_the_configuration_is_explained():
    text = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    missing = [key for key in CONFIG if not re.search(rf"`[^`]*\b{key}\b", text)]
    assert missing == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"budget_usd": float("nan")}, "budget_usd"),
        ({"generation": {"guidance": float("inf")}}, "generation: guidance"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_its_key(changes, place):
    with pytest.raises(InputError, match=f"^{place}: (nan|inf) is not a number"):
        configured_study(**changes)
