"""Paths that rules declare: outputs of stages, and input functions."""

from types import SimpleNamespace

import pytest

from detailscribe.errors import SetupError
from detailscribe.study.stages import BY_NAME, ROW_FOLDERS, ROW_STAGES, STAGES, stage_outputs
from detailscribe.workflow.rule_files import GPU_THREADS, RuleFiles
from tests.paths import REPOSITORY
from tests.unit.study.configured import CONFIG, configured_study


@pytest.fixture
def study():
    return configured_study(scenarios={"demo": {"file": "config/prompts/demo.jsonl", "shards": 2}})


@pytest.fixture
def files(study):
    return RuleFiles(study, REPOSITORY)


def wildcards(**values):
    """As Snakemake gives them: attributes, and a mapping for `str.format`."""

    class Wildcards(SimpleNamespace):
        def keys(self):
            return vars(self).keys()

        def __getitem__(self, name):
            return vars(self)[name]

    return Wildcards(**values)


def test_a_stage_has_one_file_per_shard(files):
    assert files.of_stage("demo", "decompose") == [
        "results/demo/decompositions/000-of-002.jsonl",
        "results/demo/decompositions/001-of-002.jsonl",
    ]
    assert files.of_stage("demo", "report") == ["results/demo/report/index.html"]


def test_every_stage_of_the_list_has_outputs(study):
    assert all(stage_outputs(study, stage) for stage in [*STAGES, *BY_NAME])
    with pytest.raises(KeyError):
        stage_outputs(study, "nothing")


def test_all_stages_cover_every_image_set_metric_and_table(files, study):
    outputs = set(files.of_all_stages("demo"))
    assert set(files.manifests("demo")) <= outputs
    assert {f"results/demo/scores/{metric}/001-of-002.jsonl" for metric in study.scorers} <= outputs
    assert {"results/demo/tables/main.csv", "results/demo/figures/compute.png"} <= outputs


def test_rows_of_a_scenario_are_what_ends_in_the_dictionary(files):
    rows = files.rows_of("demo")
    assert all(path.endswith(".jsonl") for path in rows)
    folders = {path.split("/")[2] for path in rows}
    assert folders == {each.folder for each in ROW_FOLDERS} - {"noun_phrases", "parts"}


def test_rows_with_exchanges_are_those_of_stages_that_ask_a_model(files):
    folders = {path.split("/")[2] for path in files.rows_with_exchanges("demo")}
    assert folders == {each.folder for each in ROW_FOLDERS if each.llm_stage}


def test_each_folder_of_rows_belongs_to_a_stage_with_a_place_in_the_order():
    assert {each.stage for each in ROW_FOLDERS} - {"phrases", "parts"} <= set(ROW_STAGES)


def test_the_folder_of_images_counts_once_it_is_there(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = wildcards(scenario="demo", shard="000-of-002", external="original-1")
    folder = "results/demo/images/original-1/000-of-002"
    assert files.image_folder("{external}")(wanted) == []
    (tmp_path / folder).mkdir(parents=True)
    assert files.image_folder("{external}")(wanted) == [folder]
    assert files.image_folder("original-1", "original-2")(wanted) == [folder]


def test_a_miniature_has_one_thread_and_a_full_size_model_several(files):
    assert files.gpu_threads("model") == 1
    large = RuleFiles(configured_study(image_model="sd35_large_exact"), REPOSITORY)
    assert large.gpu_threads("model") == GPU_THREADS


def test_only_a_critic_that_is_shown_decompositions_waits_for_them(files):
    path = "results/demo/decompositions/000-of-002.jsonl"
    for critic, entry in CONFIG["critics"].items():
        needed = files.decompositions_of_critic(wildcards(scenario="demo", shard="000-of-002", critic=critic))
        assert needed == (path if entry["decomposition"] else [])


def test_only_a_metric_that_reads_phrases_waits_for_them(files):
    phrases = "results/demo/noun_phrases/000-of-002.jsonl"
    for metric, needed in {"clip_score": [], "blip_vqa": [phrases]}.items():
        assert files.phrases_of_metric(wildcards(scenario="demo", shard="000-of-002", metric=metric)) == needed
    without = RuleFiles(configured_study(metrics={"blip_vqa": None}), REPOSITORY)
    assert files.noun_phrases("demo") and without.noun_phrases("demo") == []


def test_an_exported_table_of_ratings_goes_before_the_workbook(files, study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, *others = study.config["human"]["raters"]
    folder = tmp_path / study.config["human"]["ratings_folder"] / "demo"
    folder.mkdir(parents=True)
    (folder / f"{first}.csv").touch()
    with pytest.raises(SetupError, match=rf"NAME.csv of {', '.join(others)}; `snakemake demo_human_sheets` writes"):
        files.filled_sheets(wildcards(scenario="demo"))
    (folder / f"{others[0]}.ods").touch()
    with pytest.raises(SetupError, match=rf"{others[0]}.ods cannot be read; save it as .xlsx or .csv"):
        files.filled_sheets(wildcards(scenario="demo"))
    for rater in others:
        (folder / f"{rater}.xlsx").touch()
    names = [path.rpartition("/")[2] for path in files.filled_sheets(wildcards(scenario="demo"))]
    assert names == [f"{first}.csv", *(f"{rater}.xlsx" for rater in others)]
    assert files.ratings_folder(wildcards(scenario="demo")) == [f"{study.config['human']['ratings_folder']}/demo"]
    assert files.ratings_folder(wildcards(scenario="other")) == []


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ([], ["ratings.csv"]),
        (["rater_1.xlsx"], ["ratings.csv"]),
        (["pairs/mine.csv"], ["pairs.csv"]),  # nobody rated
        (["pairs/mine.csv", "rater_2.csv"], ["pairs.csv", "ratings.csv"]),
    ],
)
def test_worth_waits_for_what_people_gave(files, study, tmp_path, monkeypatch, given, inputs):
    monkeypatch.chdir(tmp_path)
    for name in given:
        path = tmp_path / study.config["human"]["ratings_folder"] / "demo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    of = wildcards(scenario="demo")
    found = [*files.human_pairs(of), *files.ratings_beside_pairs(of)]
    assert found == [f"results/demo/human/{name}" for name in inputs]


def test_weights_are_a_record_a_digest_or_a_listing(tmp_path):
    built = RuleFiles(configured_study(), REPOSITORY)
    assert built.weights("model") == ["resources/miniature/digests.json"]
    hub = RuleFiles(configured_study(image_model="sd35_large_exact"), REPOSITORY)
    assert hub.weights("model") == ["results/weights/model.json"]
    assert "results/weights/model.json" in hub.all_weights()
    entry = {**CONFIG["image_models"]["miniature"], "path": str(tmp_path), "revision": "1"}
    folder = RuleFiles(configured_study(image_models={"mine": entry}, image_model="mine"), REPOSITORY)
    assert folder.weights("model") == ["results/folders/model.json"] == folder.listing("model")
    assert folder.listing("external-hosted") == []


def test_every_metric_runs_in_one_environment(files):
    assert files.metrics_of_environment("scores").split("|") == [*CONFIG["metrics"], "none"]
    assert files.metrics_of_environment("image_reward") == "none"
