"""Assignment of prompts and images to raters, and the keys of their sheets."""

import pytest
import yaml

from detailscribe.errors import InputError
from detailscribe.human import assignment
from detailscribe.study.methods import rated_methods
from detailscribe.study.study import Study
from tests.paths import REPOSITORY
from tests.unit.human.sample_ratings import IMAGE_SETS, METHODS, shown_of


def test_order_of_images_differs_by_rater_and_is_reproducible(prompts):
    def order(rater, seed=0):
        key = assignment.assign_images(rater, prompts, IMAGE_SETS, 25, seed, shown_of)
        return [row["image_set"] for row in key]

    assert order("rater_1") == order("rater_1")
    assert order("rater_1") != order("rater_2")
    assert order("rater_1") != order("rater_1", seed=1)
    whole = assignment.assign_images("rater_1", prompts, IMAGE_SETS, 25, 0, shown_of)
    fewer = assignment.assign_images("rater_1", prompts[2:], IMAGE_SETS, 25, 0, shown_of)
    assert [row["image_set"] for row in whole if row["id"] == prompts[3]["id"]] == [
        row["image_set"] for row in fewer if row["id"] == prompts[3]["id"]
    ]


def test_prompts_are_sampled_from_the_complete_ones_and_one_more_changes_at_most_one(prompts):
    incomplete = prompts[0] | {"images": {"hosted": "x"}}
    sample = assignment.sample_prompts([incomplete, *prompts[1:]], IMAGE_SETS, 3, 0)
    assert len(sample) == 3 and incomplete not in sample
    assert [row["id"] for row in sample] == sorted(row["id"] for row in sample)
    assert assignment.sample_prompts(prompts, IMAGE_SETS, 50, 0) == prompts
    many = [{"id": f"p-{number:03}", "images": prompts[0]["images"]} for number in range(40)]
    before = {row["id"] for row in assignment.sample_prompts(many[1:], IMAGE_SETS, 10, 0)}
    after = {row["id"] for row in assignment.sample_prompts(many, IMAGE_SETS, 10, 0)}
    assert len(after - before) <= 1
    assert {row["id"] for row in assignment.sample_prompts(many, IMAGE_SETS, 10, 1)} != after
    with pytest.raises(InputError, match="no prompt has every image"):
        assignment.sample_prompts([incomplete], IMAGE_SETS, 3, 0)


def test_a_method_without_images_is_refused_by_name():
    assert assignment.rated_image_sets(METHODS) == IMAGE_SETS
    with pytest.raises(InputError, match="'equal_compute_seeds' has no images to rate"):
        assignment.rated_image_sets([*METHODS, {"name": "equal_compute_seeds", "candidates": []}])


def test_the_config_rates_the_nine_images_of_the_paper_and_follows_the_seeds():
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    candidates = [f"detailscribe-k{k}" for k in (0, 1, 2, 4)]
    others = ["gpt_rewrite", "hosted", "multi_seed", "gpt_refine"]
    shown = assignment.rated_image_sets([vars(method) for method in rated_methods(Study(config, REPOSITORY))])
    assert shown == ["original-2628670643", *others, *candidates]
    seeds = Study(config | {"seeds": [7], "human": config["human"] | {"methods": ["sd", "multi_seed"]}}, REPOSITORY)
    assert [method.candidates for method in rated_methods(seeds)] == [("original-7",), ()]


def test_a_key_is_found_by_its_code_and_by_nothing_else(keys, tmp_path):
    ((code, key),) = keys.items()
    assert assignment.save_key(tmp_path, key) == code
    assert assignment.find_key(tmp_path, code) == key
    assert assignment.find_key(tmp_path, "0" * 16) == []
    (tmp_path.parent / "outside.jsonl").write_text("{}\n")
    assert assignment.find_key(tmp_path, "../outside") == []
    for other in ("a" * 300, code[:-1], f"{code}0", f"{code}\n", code.upper() + "A", ""):
        assert assignment.find_key(tmp_path, other) == []
