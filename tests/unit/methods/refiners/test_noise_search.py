"""Noise search: its graph and costs, what decides a neighbour, and moved noise in every refiner and engine."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from detailscribe.engines.load import load_engine
from detailscribe.engines.near_noise import check_shifts
from detailscribe.errors import InputError, SetupError
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.recipes import shifts_of
from detailscribe.methods.refiners import from_scratch, noise_search, prompt_switch
from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.study.refinements import Selection
from tests.small_sd3 import GENERATION, P0, P1, entry, share_pipelines
from tests.unit.study.configured import CONFIG, configured_study

INITIAL = f"original-{CONFIG['seeds'][0]}"
SEARCH = {"refiner": "noise_search", "verifier": "clip_score"}
CRITIC = CONFIG["critics"]["detailscribe"]
VALUES = {"round": 1, "neighbour": 1, "share": 0.3}


def test_a_round_starts_from_the_best_of_the_one_before():
    graph = configured_study(refiners={"search": SEARCH | {"rounds": 2, "neighbours": 2}}).graph
    made = {each.name: (each.of, list(each.image_sets)) for each in graph.refinements if "search" in each.name}
    first, second = ["search-r1-n1", "search-r1-n2"], ["search-r2-n1", "search-r2-n2"]
    assert made == {"search-r1": (INITIAL, first), "search-r2": ("search-r1", second)}
    assert graph.selections == {
        "search-r1": Selection("search-r1", (INITIAL, *first), "clip_score"),
        "search": Selection("search", ("search-r1", *second), "clip_score"),
    }


def test_a_beam_goes_on_from_its_best_images_each_with_neighbours_of_its_own():
    search = SEARCH | {"width": 2, "rounds": 3, "neighbours": 1, "texts": [["detailscribe"]]}
    graph = configured_study(refiners={"search": search}).graph
    made = {each.name: (each.of, list(each.image_sets)) for each in graph.refinements if "search" in each.name}
    first, second = ["search-r1-n1", "search-r1-detailscribe"], ["search-r2-n1", "search-r2-n2"]
    assert made == {
        "search-r1": (INITIAL, first[:1]),
        "search-r1-detailscribe": (INITIAL, first[1:]),
        "search-r2": ("search-r1", second[:1]),
        "search-r2-b2": ("search-r1-b2", second[1:]),
        "search-r3": ("search-r2", ["search-r3-n1"]),
        "search-r3-b2": ("search-r2-b2", ["search-r3-n2"]),
    }
    best = ("search-r1", "search-r1-b2", *second)
    assert [(each.name, each.among, each.rank) for each in graph.selections.values()] == [
        ("search-r1", (INITIAL, *first), 1),
        ("search-r1-b2", (INITIAL, *first), 2),
        ("search-r2", best, 1),
        ("search-r2-b2", best, 2),
        ("search", ("search-r2", "search-r2-b2", "search-r3-n1", "search-r3-n2"), 1),
    ]


def test_a_beam_is_no_wider_than_the_images_of_its_first_round():
    for width, fits in ((3, True), (4, False), (0, False)):
        with (
            nullcontext()
            if fits
            else pytest.raises(InputError, match="search: width must be a whole number from 1 to 3")
        ):
            configured_study(refiners={"search": SEARCH | {"width": width}})


def test_texts_are_drawn_in_their_round_and_a_critic_may_look_at_the_best_of_the_one_before():
    critic = {**CRITIC, "after_step": "none", "of": "search-r1"}
    texts = {"texts": [["detailscribe", "gpt_rewrite"], ["later"]], "neighbours": 1}
    study = configured_study(critics={"later": critic}, refiners={"search": SEARCH | texts})
    made = {each.name: each for each in study.graph.refinements if "search" in each.name}
    assert {name: (each.of, each.text, list(each.image_sets)) for name, each in made.items()} == {
        "search-r1": (INITIAL, "", ["search-r1-n1"]),
        "search-r1-detailscribe": (INITIAL, "detailscribe", ["search-r1-detailscribe"]),
        "search-r1-gpt_rewrite": (INITIAL, "gpt_rewrite", ["search-r1-gpt_rewrite"]),
        "search-r2": ("search-r1", "", ["search-r2-n1"]),
        "search-r2-later": ("search-r1", "later", ["search-r2-later"]),
    }
    assert [study.graph.level(f"search-r{number}-n1") for number in (1, 2)] == [1, 2]
    alone = configured_study(refiners={"search": SEARCH | {"text": "detailscribe"}}).graph
    assert [each.text for each in alone.refinements if "search" in each.name] == ["", "detailscribe", ""]


@pytest.mark.parametrize(
    ("changes", "images"),
    [({}, 5), ({"rounds": 4, "neighbours": 4}, 17), ({"neighbours": 1, "texts": [["gpt_rewrite"], ["gpt_refine"]]}, 5)],
)
def test_a_search_costs_a_full_run_per_neighbour_and_text(changes, images):
    steps = denoising_steps_by_method(configured_study(refiners={"search": SEARCH | changes}))
    assert steps["search"] == 28 * images


def neighbour(source, recipes, **values):
    return noise_search.request(source, "search-r1-n1", VALUES | values, recipes)


def test_a_neighbour_has_the_prompt_and_seed_of_its_source_and_a_move_of_its_own(source, recipes):
    source = replace(source, text=source.base_prompt)
    request = neighbour(source, recipes)
    assert (request.prompt, request.seed, request.recipe["seed"]) == ("A red fox.", 11, 11)
    [(seed, share)] = shifts_of(request.state)
    assert share == 0.3 and request.state["shifts"] == request.recipe["near_noise"]["shifts"]
    others = [neighbour(source, recipes, round=2), neighbour(source, recipes, neighbour=2)]
    others += [neighbour(replace(source, id="b"), recipes), neighbour(replace(source, seed=12), recipes)]
    assert len({seed, *(shifts_of(other.state)[0][0] for other in others)}) == 5
    again = noise_search.request(source, "other-r1-n1", VALUES, recipes)  # of an entry with another verifier
    assert again.key == request.key
    assert neighbour(replace(source, seed=None), recipes).recipe["seed"] == 7  # the study's: an imported image


def test_moves_add_up_over_rounds_and_a_text_keeps_them(source, recipes):
    first = neighbour(source, recipes)
    best = replace(source, state=first.state)
    second = neighbour(best, recipes, round=2)
    assert shifts_of(second.state)[:1] == shifts_of(first.state) and len(shifts_of(second.state)) == 2
    for drawn in (
        noise_search.request(best, "search-r2-critic", {}, recipes),
        from_scratch.request(best, "critic", {}, recipes),
        prompt_switch.request(best, "critic-k0", {"k": 0}, recipes),
    ):
        assert (drawn.state, drawn.prompt) == (first.state, source.text)
    switch = prompt_switch.request(best, "critic-k1", {"k": 1}, recipes)
    assert (switch.recipe["prompt"], switch.k, switch.state) == (source.base_prompt, 1, first.state)


def test_a_search_that_starts_from_a_search_moves_on_with_noises_of_its_own(source, recipes):
    best, seeds = source, []
    for search in range(3):  # a search with two rounds, and further ones of its best image
        for number in (1, 2):
            request = neighbour(best, recipes, round=number)
            best = replace(best, state=request.state)
            seeds = [seed for seed, _ in shifts_of(request.state)]
            assert len(set(seeds)) == len(seeds) == 2 * search + number
    check_shifts(best.seed, shifts_of(best.state))


def test_without_moves_a_request_is_that_of_the_seed(source, recipes):
    plain = recipes.from_noise_request("a", "x", source.text, seed=11)
    for request in (
        noise_search.request(source, "search-r1-critic", {}, recipes),
        from_scratch.request(source, "critic", {}, recipes),
        prompt_switch.request(source, "critic-k0", {"k": 0}, recipes),
    ):
        assert (request.key, request.state) == (plain.key, {})


class PlainEngine:
    """An engine that cannot move noise."""

    def generate(self, prompt, seed):
        raise AssertionError


def test_a_model_that_cannot_move_noise_is_told_so(source, recipes):
    generator = ImageGenerator(recipes.parameters, {"offload": "none", "batch": "image"})
    generator.engine = PlainEngine()
    with pytest.raises(SetupError, match="cannot start from moved noise here; choose a Stable Diffusion 3 model"):
        generator.render([neighbour(source, recipes)])


@pytest.mark.parametrize("batch", ["image", "candidates"])
def test_a_prompt_switch_from_moved_noise(miniature, monkeypatch, batch):
    share_pipelines(monkeypatch)
    engine = load_engine(entry(miniature / "sd3", batch=batch), GENERATION)
    own = engine.refine(P0, P1, 7, [0, 1, 3])
    assert [image.tobytes() for image in engine.refine_near(P0, P1, 7, [], [0, 1, 3]).values()] == [
        image.tobytes() for image in own.values()
    ]
    moved = engine.refine_near(P0, P1, 7, [(8, 0.6)], [0, 1, 3])
    assert all(moved[k].tobytes() != own[k].tobytes() for k in own)
    ends_at_8 = engine.refine_near(P0, P1, 7, [(8, 1.0)], [0, 1, 3])
    assert [each.tobytes() for each in ends_at_8.values()] == [
        each.tobytes() for each in engine.refine(P0, P1, 8, [0, 1, 3]).values()
    ]
