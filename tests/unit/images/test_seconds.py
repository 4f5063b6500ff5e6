"""Measured seconds of images: shares of what was drawn together, first work of a job, and images drawn again."""

import json

import pytest

from detailscribe.engines.machine.speeds import LOAD, SCORE, JobSpeeds, score_speed_key
from detailscribe.files.digests import digest
from detailscribe.files.ledger import Ledger
from detailscribe.images import generate
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.seconds import (
    LEDGERS,
    ImageSeconds,
    add_score_seconds,
    seconds_of,
    seconds_per_score,
    seconds_problem,
)
from tests.refining import requests_from_critiques
from tests.unit.images.test_generate import CRITIQUE, RECORDS, RecordingEngine, stage_recipes

SHARD = "000-of-001"


class Clock:
    """A clock that moves only when the engine works."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class TimedEngine(RecordingEngine):
    """Each call takes the next of these seconds."""

    def __init__(self, clock: Clock, seconds: list[float]):
        super().__init__()
        self.clock, self.seconds = clock, list(seconds)

    def generate(self, *arguments, **options):
        self.clock.now += self.seconds.pop(0)
        return super().generate(*arguments, **options)

    def refine(self, *arguments, **options):
        self.clock.now += self.seconds.pop(0)
        return super().refine(*arguments, **options)


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draw groups of requests in a job of its own; returns seconds, steps, images and first by id and image set."""

    def drawn(recipes, groups, seconds, processor="card"):
        clock = Clock()
        monkeypatch.setattr(generate, "time", clock)
        generator = ImageGenerator(recipes.parameters, {"offload": "none", "batch": recipes.parameters["batch"]})
        generator.engine = TimedEngine(clock, seconds)
        generator.image_seconds = ImageSeconds(tmp_path, SHARD, lambda: processor)
        for group in groups:
            generator.render(group)
        return {
            (id, folder.name): (row["seconds"], row["steps"], row["images"], row["first"])
            for folder in (tmp_path / LEDGERS).iterdir()
            for (id, _), row in seconds_of(tmp_path, folder.name).items()
        }

    return drawn


def candidates(recipes, *ks):
    return [request for request in requests_from_critiques(RECORDS, CRITIQUE, recipes) if request.k in ks]


@pytest.mark.parametrize(
    ("batch", "ks", "expected"),
    [
        ("candidates", (0, 1, 4), (4.0, (28 + 5 + 26 + 23) / 3, 3)),
        ("candidates", (1,), (4.0, (28 + 5 + 26 + 23) / 3, 3)),  # a batch runs in full, and each image has its share
        ("image", (1, 4), (6.0, (5 + 26 + 23) / 2, 2)),  # shared steps
        ("image", (4,), (12.0, 28, 1)),
    ],
)
def test_images_that_are_drawn_together_share_seconds_and_steps(tmp_path, draw, batch, ks, expected):
    recipes = stage_recipes(tmp_path, batch)
    found = draw(recipes, [candidates(recipes, *ks)], [12.0])
    assert found == {("a", f"mine-k{k}"): (expected[0], pytest.approx(expected[1]), expected[2], True) for k in ks}


def test_equal_images_of_two_sets_are_one_and_the_first_work_of_each_kind_is_marked(tmp_path, draw):
    recipes = stage_recipes(tmp_path, "image")
    first, second = ([recipes.from_noise_request(id, name, "p") for name in ("x", "y")] for id in "ab")
    found = draw(recipes, [first, second, candidates(recipes, 1, 4)], [30.0, 10.0, 8.0])
    assert found["a", "x"] == found["a", "y"] == (30.0, 28.0, 1, True)
    assert found["b", "x"] == (10.0, 28.0, 1, False)
    assert found["a", "mine-k1"] == (4.0, 27.0, 2, True), "another kind of work compiles anew"


@pytest.mark.parametrize(
    ("again", "processor", "expected"),
    [
        ([(1, 4)], "card", 4.0),  # the same group, steady before and first now: the steady seconds stay
        ([(1,)], "card", 4.0),  # a smaller group shares fewer steps
        ([(0,), (1, 4)], "card", 4.0),  # k=0 is work of another kind, so that the group is again the first
        ([(1, 4)], "other card", 50.0),  # the image is the other card's now
    ],
)
def test_an_image_that_is_drawn_again_keeps_its_steady_share_on_the_same_card(
    tmp_path, draw, again, processor, expected
):
    recipes = stage_recipes(tmp_path, "image")
    other = [
        request for request in requests_from_critiques([{"id": "b", "prompt": "p0"}], {"b": CRITIQUE["a"]}, recipes)
    ]
    draw(recipes, [other[1:], candidates(recipes, 1, 4)], [40.0, 8.0])
    found = draw(recipes, [candidates(recipes, *ks) for ks in again], [100.0] * len(again), processor)
    assert found["a", "mine-k1"][0] == expected


def test_a_lost_card_and_a_folder_that_cannot_be_written_stop_nothing(tmp_path):
    recipes = stage_recipes(tmp_path, "image")
    requests = candidates(recipes, 1)

    def lost():
        raise RuntimeError("CUDA error")

    ImageSeconds(tmp_path, SHARD, lost).add(requests, 1, 28, 1.0, False)
    (tmp_path / "file").write_text("")
    ImageSeconds(tmp_path / "file", SHARD, lambda: "card").add(requests, 1, 28, 1.0, False)
    assert seconds_of(tmp_path, "mine-k1") == {}


def test_rows_that_no_job_wrote_so_are_left_out(tmp_path):
    good = {"id": "a", "key": "k", "seconds": 1.5, "steps": 28, "images": 1, "processor": "card", "first": False}
    bad = [{"seconds": -1}, {"seconds": "1"}, {"seconds": 1e12}, {"images": 0}, {"first": 0}, {"processor": None}]
    ledger = Ledger(tmp_path / LEDGERS / "x" / f"{SHARD}.jsonl")
    for number, change in enumerate([{}, *bad, {"steps": True}]):
        ledger.add(good | {"id": f"a{number}"} | change)
    assert list(seconds_of(tmp_path, "x")) == [("a0", "k")]
    assert seconds_problem(json.loads("[1]")) and not seconds_problem(good)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        # of each job: scores after the first, seconds of the first and of each further one
        ([(3, 9.0, 2.0)], 2.0),
        ([(0, 9.0, 0.0)], 9.0),  # nothing but the first is known
        ([(0, 9.0, 0.0), (2, 9.0, 2.0)], 2.0),  # a first score is replaced
        ([(3, 9.0, 2.0), (1, 9.0, 5.0)], 2.0),  # later scores replace nothing, here or where an archive is unpacked
        ([(3, 9.0, 2.0), (7, 9.0, 5.0)], 2.0),
        ([(3, 9.0, 2.0), (0, 9.0, 0.0)], 2.0),
        ([], None),
    ],
)
def test_the_scores_of_a_shard_have_one_row(tmp_path, jobs, expected):
    settings = {"stage": "score", "algorithm": 2, "module": "clip", "size_px": 96}
    for further, first_s, each_s in jobs:
        speeds = JobSpeeds()
        speeds.add(LOAD, {}, 1, 100.0)
        for seconds in (first_s, *[each_s] * further):
            speeds.add(SCORE, score_speed_key(settings), 1, seconds)
        add_score_seconds(tmp_path, "clip", SHARD, settings, speeds, lambda: "card")
    add_score_seconds(tmp_path, "clip", SHARD, settings, JobSpeeds(), lambda: 1 / 0)  # it scored nothing
    key = digest(score_speed_key(settings | {"algorithm": 3}))
    found = seconds_per_score(tmp_path, "clip", key)
    assert found == (expected and (expected, ["card"]))
    assert seconds_per_score(tmp_path, "clip", digest({"module": "other"})) is None


def test_shards_count_by_their_scores(tmp_path):
    for shard, count, seconds in ((SHARD, 2, 1.0), ("001-of-002", 6, 2.0)):
        speeds = JobSpeeds()
        speeds.add(SCORE, {"module": "clip"}, 1, 50.0)
        speeds.add(SCORE, {"module": "clip"}, count, count * seconds)
        add_score_seconds(tmp_path, "clip", shard, {"module": "clip"}, speeds, lambda: "card")
    assert seconds_per_score(tmp_path, "clip", digest({"module": "clip"})) == (1.75, ["card"])
