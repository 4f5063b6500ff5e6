"""Worth of metrics and judges: agreement from ratings and from compared pairs, and what a benchmark measured."""

import numpy as np
import pytest

from detailscribe.errors import InputError
from detailscribe.human.judges import worth
from detailscribe.human.judges.agreement import metric_agreement
from tests.paths import REPOSITORY
from tests.unit.human.sample_ratings import RATED, rows_of
from tests.unit.study.configured import CONFIG, configured_study

ROWS = worth.read_benchmark(REPOSITORY / worth.BENCHMARK)
DICTIONARY = {id: {"images": {name: f"{id}/{name}.jpg" for name in RATED}} for id in ("a", "b", "c")}
SCORES = {(id, f"{id}/{name}.jpg"): float(value) for id in ("a", "b") for value, name in enumerate(RATED)}


@pytest.mark.parametrize(
    ("kind", "module", "model", "agreement"),
    [
        ("metric", "clip_score", "ViT-B-32-quickgelu", 0.51),
        ("metric", "clip_score", "local-dir:resources/miniature/clip", None),
        ("metric", "image_reward", "zai-org/ImageReward", 0.54),
        ("metric", "image_reward_package", "", 0.54),
        ("metric", "pick_score", "yuvalkirstain/PickScore_v1", 0.586),
        ("metric", "preference.hps_v3", "MizzenAI/HPSv3", 0.602),
        ("metric", "preference.hps_v2", "xswu/HPSv2", 0.547),
        ("metric", "blip_vqa", "model_base_vqa_capfilt_large.pth", None),
        ("metric", "vqa_score", "Qwen/Qwen2.5-VL-7B-Instruct", 0.583),
        ("metric", "vqa_score", "Qwen/Qwen2.5-VL-3B-Instruct", None),
        ("metric", "my_metrics/clip_score.py", "", None),
        ("metric", "gpt-4o", "gpt-4o", None),
        ("judge", "", "gpt-4o", 0.603),
        ("judge", "", "gpt-4o-2024-08-06", 0.603),
        ("judge", "", "openai/GPT-4o", 0.603),
        ("judge", "", "gpt-4o-mini", None),
        ("judge", "", "chatgpt-4o-latest", None),
        ("judge", "", "gpt-5", 0.705),
        ("judge", "", "gpt-5-mini", None),
        ("judge", "", "gpt-5.1", None),
        ("judge", "", "Qwen/Qwen3-VL-32B-Instruct", 0.641),
        ("judge", "", "Qwen/Qwen3-VL-30B-A3B-Instruct", 0.6),
        ("judge", "", "Qwen/Qwen2.5-VL-32B-Instruct", None),  # the paper's second judge was not measured
        ("judge", "", "gemini-2.5-pro", 0.705),
        ("judge", "", "offline-stand-in", None),
        ("judge", "clip_score", "clip_score", None),
    ],
)
def test_a_metric_is_found_by_its_module_and_a_judge_by_its_model(kind, module, model, agreement):
    found = worth.measured_worth(ROWS, kind, {"module": module, "model": model})
    assert (found and found["agreement"]) == agreement
    assert not found or "2512.16899" in found["source"]


def test_the_benchmarks_table_is_whole_and_a_damaged_line_is_named(tmp_path):
    assert len(ROWS) == len({(row["kind"], row["name"]) for row in ROWS}) > 20
    assert all(row["pairs"] == 1000 and 0.5 < row["agreement"] < 0.8 for row in ROWS)
    text = (REPOSITORY / worth.BENCHMARK).read_text(encoding="utf-8")
    for old, new in (("0.510", "51 %"), ("0.510", "51"), ("metric\tclip", "model\tclip"), ("clip_score", "clip(score")):
        path = tmp_path / "worth.tsv"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError, match=r"worth\.tsv, line 2: needs kind"):
            worth.read_benchmark(path)


def test_parameters_name_the_model_and_the_benchmarks_figure_of_each_metric():
    judges = {"main": CONFIG["judges"]["main"] | {"model": "gpt-4o"}}
    metrics = {"clip_score": {"model": "ViT-B-32-quickgelu"}}
    study = configured_study(judges=judges, metrics=metrics)
    [values] = worth.parameters(study).values()
    assert values["models"]["judge-main"] == "gpt-4o" and values["metrics"] == study.metrics
    found = {name: each and each["agreement"] for name, each in values["mmrb2"].items()}
    expected = {"clip_score": 0.51, "image_reward": None, "blip_vqa": None, "judge-main": 0.603}
    assert expected.items() <= found.items() and set(found) == {*study.metrics, *of_pairs(study)}


def of_pairs(study) -> list[str]:
    return [f"judge-{name}" for name in study.judges_asked("pairs")]


def test_agreement_with_ratings_is_the_agreement_table():
    generator = np.random.default_rng(0)
    ratings = rows_of({(rater, id): tuple(generator.integers(1, 6, 4)) for rater in ("r1", "r2") for id in ("a", "b")})
    ratings += rows_of({("r1", "c"): (3, 3, 3, 3)})
    scores = SCORES | {("c", f"c/{name}.jpg"): 1.0 for name in RATED}
    scores |= {("a", f"a/{name}.jpg"): 1.0 for name in RATED[1:]}
    table = worth.worth_table(ratings, [], {"clip": scores}, {}, DICTIONARY, {}, values_of("clip"))
    row, other = table.iloc[0], metric_agreement(ratings, {"clip": scores}, {}).iloc[0]
    assert list(table.columns) == worth.WORTH_COLUMNS
    names = {"n": "pairs", "agreement": "agreement", "low95": "low95", "high95": "high95"}
    for own, name in names.items():
        assert row[f"ratings_{own}"] == other[name]
    assert row["ratings_tied_by_people"] == other["tied_by_people"] / (other["tied_by_people"] + other["pairs"]) > 0
    assert row["ratings_tied_by_metric"] == other["tied_by_metric"] / other["pairs"] > 0
    assert row["pairs_n"] == 0 and np.isnan(row["pairs_agreement"])


def values_of(*metrics: str, **measured) -> dict:
    return {
        "metrics": list(metrics),
        "judges_of_pairs": [],
        "models": dict.fromkeys(metrics, "m"),
        "mmrb2": {name: measured.get(name) for name in metrics},
    }


def test_the_benchmarks_figure_stands_beside_the_studys_own():
    measured = {"agreement": 0.51, "name": "CLIPScore", "source": "MMRB2"}
    table = worth.worth_table([], [], {"clip": {}, "own": {}}, {}, {}, {}, values_of("clip", "own", clip=measured))
    assert list(table["mmrb2"].fillna(0)) == [0.51, 0] and list(table["mmrb2_name"]) == ["CLIPScore", ""]
    assert list(table["ratings_n"]) == [0, 0] and table["ratings_agreement"].isna().all()


@pytest.mark.parametrize(
    ("both_orders", "n", "ratings_agreement", "pairs_agreement", "ties"),
    [
        ((0.5, -0.5), 1, 1, 0, 0),  # it prefers hosted, as the ratings do; the chooser prefers k1
        ((1.0, 0.5), 1, 1, 0, 0),  # by 0.25 in both orders together
        ((0.5, 0.25), 1, 0.5, 0.5, 1),  # nearest to a tie
        ((1.0, 1.0), 1, 0.5, 0.5, 1),  # the place alone
        ((1.0, None), 0, np.nan, np.nan, np.nan),
        ((None, -1.0), 0, np.nan, np.nan, np.nan),
    ],
)
def test_a_judge_of_pairs_has_a_row_beside_the_metrics(both_orders, n, ratings_agreement, pairs_agreement, ties):
    choice = {"id": "a", "first_image_set": "hosted", "second_image_set": "k1"}
    turned = choice | {"first_image_set": "k1", "second_image_set": "hosted"}
    orders = [row | {"value": value} for row, value in zip((choice, turned), both_orders, strict=True)]
    values = values_of("clip") | {"judges_of_pairs": ["duel"], "models": {"clip": "", "judge-duel": "gpt-5"}}
    values["mmrb2"]["judge-duel"] = worth.measured_worth(ROWS, "judge", {"model": "gpt-5"})
    ratings = rows_of({("r1", "a"): (1, 4, 2, 3)})
    people = [choice | {"rater": "r1", "value": -1.0}]
    table = worth.worth_table(ratings, people, {"clip": SCORES}, {"duel": orders}, DICTIONARY, {}, values)
    row = table.set_index("metric").loc["judge-duel"]
    found = row[["ratings_n", "ratings_agreement", "pairs_n", "pairs_agreement", "ratings_tied_by_metric"]]
    assert list(found.astype(float)) == pytest.approx([n, ratings_agreement, n, pairs_agreement, ties], nan_ok=True)
    assert (row["model"], row["mmrb2"], row["mmrb2_name"]) == ("gpt-5", 0.705, "GPT-5")
    assert list(table["metric"]) == ["clip", "judge-duel"] and table.loc[0, "ratings_n"] == 6
