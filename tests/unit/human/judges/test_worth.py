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


def pairs_of(*votes: tuple[str, str, str, str]) -> list[dict]:
    """Rows of raters, each (prompt, first image set, second, choice)."""
    return [dict(zip(worth.PAIR_COLUMNS, vote, strict=True)) for vote in votes]


@pytest.mark.parametrize(
    ("kind", "module", "model", "agreement"),
    [
        ("metric", "clip_score", "ViT-B-32-quickgelu", 0.51),
        ("metric", "clip_score", "local-dir:resources/miniature/clip", None),
        ("metric", "image_reward", "zai-org/ImageReward", 0.54),
        ("metric", "image_reward_package", "", 0.54),
        ("metric", "pick_score", "yuvalkirstain/PickScore_v1", 0.586),
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
    [values] = worth.parameters(configured_study(judges=judges, metrics=metrics)).values()
    assert values["models"]["judge-main"] == "gpt-4o" and list(values["models"]) == values["metrics"]
    found = {name: each and each["agreement"] for name, each in values["mmrb2"].items()}
    assert found == {"clip_score": 0.51, "image_reward": None, "blip_vqa": None, "judge-main": 0.603}


def test_agreement_with_ratings_is_the_agreement_table():
    generator = np.random.default_rng(0)
    ratings = rows_of({(rater, id): tuple(generator.integers(1, 6, 4)) for rater in ("r1", "r2") for id in ("a", "b")})
    ratings += rows_of({("r1", "c"): (3, 3, 3, 3)})
    scores = SCORES | {("c", f"c/{name}.jpg"): 1.0 for name in RATED}
    scores |= {("a", f"a/{name}.jpg"): 1.0 for name in RATED[1:]}
    table = worth.worth_table(ratings, [], DICTIONARY, {"clip": scores}, {}, values_of("clip"))
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
        "models": dict.fromkeys(metrics, "m"),
        "mmrb2": {name: measured.get(name) for name in metrics},
    }


def test_the_benchmarks_figure_stands_beside_the_studys_own():
    measured = {"agreement": 0.51, "name": "CLIPScore", "source": "MMRB2"}
    table = worth.worth_table([], [], DICTIONARY, {"clip": {}, "own": {}}, {}, values_of("clip", "own", clip=measured))
    assert list(table["mmrb2"].fillna(0)) == [0.51, 0] and list(table["mmrb2_name"]) == ["CLIPScore", ""]
    assert list(table["ratings_n"]) == [0, 0] and table["ratings_agreement"].isna().all()


# Scores rise along RATED: original-11, hosted, k0, k1.
@pytest.mark.parametrize(
    ("votes", "n", "agreement", "tied_by_people", "tied_by_metric"),
    [
        ([("a", "original-11", "hosted", "second")], 1, 1, 0, 0),
        ([("a", "original-11", "hosted", "first")], 1, 0, 0, 0),
        ([("a", "hosted", "original-11", "first"), ("b", "k0", "k1", "first")], 2, 0.5, 0, 0),
        # Two raters, in either order, are one pair; of three the majority counts; two who differ tie.
        ([("a", "hosted", "k1", "second"), ("a", "k1", "hosted", "first")], 1, 1, 0, 0),
        ([("a", "hosted", "k1", c) for c in ("first", "second", "second")], 1, 1, 0, 0),
        ([("a", "hosted", "k1", "first"), ("a", "k1", "hosted", "first")], 0, None, 1, None),
        ([("a", "hosted", "k1", "tie"), ("a", "k0", "k1", "second")], 1, 1, 0.5, 0),
        ([("a", "hosted", "k1", "tie"), ("a", "k1", "hosted", "first")], 1, 1, 0, 0),
        ([("b", "hosted", "same", "first"), ("b", "hosted", "k1", "second")], 2, 0.75, 0, 0.5),
        # Prompts and image sets that are gone, and images without a score, do not count.
        (
            [("gone", "hosted", "k1", "first"), ("a", "gone", "k1", "first"), ("c", "hosted", "k1", "first")],
            0,
            *[None] * 3,
        ),
        ([("a", "k0", "copy", "first")], 0, *[None] * 3),  # the same bytes
        ([], 0, *[None] * 3),
    ],
)
def test_compared_pairs_are_counted_once_by_the_majority(votes, n, agreement, tied_by_people, tied_by_metric):
    dictionary = {id: {"images": dict(row["images"])} for id, row in DICTIONARY.items()}
    dictionary["a"]["images"]["copy"] = "a/copy.jpg"
    dictionary["b"]["images"]["same"] = "b/same.jpg"
    scores = SCORES | {("b", "b/same.jpg"): SCORES["b", "b/hosted.jpg"], ("a", "a/copy.jpg"): 9.0}
    digests = {"a/copy.jpg": "x", "a/k0.jpg": "x"}
    found = worth.pair_agreement(pairs_of(*votes), dictionary, scores, digests)
    shares = [
        None if np.isnan(each) else each for each in (found.agreement, found.tied_by_people, found.tied_by_metric)
    ]
    assert (found.n, *shares) == (n, agreement, tied_by_people, tied_by_metric)
    assert np.isnan(found.low95) or found.low95 <= found.agreement <= found.high95


def test_the_interval_of_pairs_is_over_prompts():
    dictionary = {f"p{n}": {"images": {name: f"p{n}/{name}.jpg" for name in RATED}} for n in range(40)}
    scores = {(id, file): float(k) for id, row in dictionary.items() for k, file in enumerate(row["images"].values())}
    all_pairs = [(one, other) for k, one in enumerate(RATED) for other in RATED[k + 1 :]]
    votes = [
        (f"p{n}", one, other, "second" if n % 4 else "first") for n in range(40) for one, other in all_pairs
    ]  # of a prompt, all are right or all are wrong
    several = worth.pair_agreement(pairs_of(*votes), dictionary, scores, {})
    one = worth.pair_agreement(pairs_of(*votes[:: len(all_pairs)]), dictionary, scores, {})
    assert (several.n, one.n) == (240, 40) and several.agreement == one.agreement == 0.75
    assert (several.low95, several.high95) == pytest.approx((one.low95, one.high95))
