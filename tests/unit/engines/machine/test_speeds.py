"""Recorded speeds: what a job records, what it is found by, and records that cannot be read."""

import json

import pytest

from detailscribe.engines.machine.speeds import (
    LOAD,
    SCORE,
    SPEEDS_FILE,
    STEP,
    TEXT,
    JobSpeeds,
    RecordedSpeeds,
    image_speed_key,
    score_speed_key,
)

MODEL = {
    **{"path": "lab/model", "revision": "r1", "pipeline": "P", "precision": "bf16", "compile": "regions"},
    **{"size_px": 1024, "max_sequence_length": 512, "call": {"negative_prompt": " "}},
}
GENERATION = {"steps": 28, "guidance": 4.5, "format": "jpeg", "quality": 75, "swap_pooled": False}
PARAMETERS = {"model": MODEL, "generation": GENERATION, "seed": 1}
ALONE, REFINED = {}, {"refined_prompt": "p1"}
BATCH = REFINED | {"batch": [0, 1, 4]}
CARD = "Card A"


def key(recipe=ALONE, offload="none", generation=None, **model) -> dict:
    parameters = {"model": MODEL | model, "generation": GENERATION | (generation or {}), "seed": 2}
    return image_speed_key(parameters, offload, recipe)


def record(folder, *work, processor=CARD):
    """Append what one job did: (unit, key, count, seconds)."""
    job = JobSpeeds()
    for each in work:
        job.add(*each)
    job.record(folder, lambda: processor)


@pytest.mark.parametrize(
    "other",
    [
        *({"precision": "fp8"}, {"compile": "none"}, {"size_px": 512}, {"path": "lab/other"}, {"revision": "r2"}),
        *({"pipeline": "Q"}, {"call": {}}, {"max_sequence_length": 77}, {"block_cache": 0.1}),
        *({"offload": "model"}, {"recipe": BATCH}, {"recipe": REFINED}),
        {"generation": {"guidance": 1.0}},
    ],
    ids=str,
)
def test_everything_that_decides_the_seconds_is_in_the_key(tmp_path, other):
    record(tmp_path, (STEP, key(), 28, 20.0), (STEP, key(), 28, 14.0))
    speeds = RecordedSpeeds(tmp_path)
    assert speeds.measured(STEP, key()).mean_s == 0.5
    assert speeds.measured(STEP, key(**other)) is None


@pytest.mark.parametrize("generation", [{"format": "png"}, {"quality": 90}, {"swap_pooled": True}, {"guidance": 7.0}])
def test_settings_that_change_no_seconds_are_not(generation):
    assert key(generation=generation) == key()


def test_the_first_images_are_apart_from_the_steady_ones(tmp_path):
    record(tmp_path, (LOAD, key(None), 1, 45.0), (STEP, key(), 28, 104.0), (STEP, key(), 28, 14.0))
    record(tmp_path, (LOAD, key(None), 1, 55.0), (STEP, key(), 28, 24.0), (STEP, key(), 56, 42.0))
    speeds = RecordedSpeeds(tmp_path)
    steps, load, warm_up = speeds.measured(STEP, key()), speeds.measured(LOAD, key(None)), speeds.warm_up(STEP, key())
    assert steps.mean_s == pytest.approx(56 / 84)
    assert (steps.fastest_s, steps.slowest_s, steps.basis) == (0.5, 0.75, "")
    assert (load.mean_s, load.fastest_s, load.slowest_s) == (50, 45, 55)
    # 104 s - 28 x 0.5 s, and 24 s - 28 x 0.75 s
    assert (warm_up.mean_s, warm_up.fastest_s, warm_up.slowest_s) == (46.5, 3.0, 90.0)
    assert steps.by_processor == {CARD: (steps.mean_s, 2)}


def test_jobs_of_several_processors_are_told_apart(tmp_path):
    record(tmp_path, (STEP, key(), 28, 9.0), (STEP, key(), 10, 5.0))
    record(tmp_path, (STEP, key(), 28, 9.0), (STEP, key(), 10, 20.0), processor="Card B")
    speed = RecordedSpeeds(tmp_path).measured(STEP, key())
    assert speed.by_processor == {CARD: (0.5, 1), "Card B": (2.0, 1)}
    assert (speed.mean_s, speed.fastest_s, speed.slowest_s) == (1.25, 0.5, 2.0)


def test_a_job_of_one_image_tells_only_of_a_first_image(tmp_path):
    record(tmp_path, (STEP, key(), 28, 56.0))
    speeds = RecordedSpeeds(tmp_path)
    assert (speeds.measured(STEP, key()).mean_s, speeds.measured(STEP, key()).basis) == (2.0, "first work")
    assert speeds.warm_up(STEP, key()) is None
    record(tmp_path, (STEP, key(), 28, 30.0), (STEP, key(), 28, 14.0))
    assert RecordedSpeeds(tmp_path).measured(STEP, key()).basis == ""
    assert RecordedSpeeds(tmp_path).warm_up(STEP, key()).slowest_s == 42.0  # 56 s - 28 x 0.5 s of the other job


def test_older_rows_and_other_work_are_found_only_as_similar(tmp_path):
    older = {"date": "2026-01-01", "model": "lab/model", "precision": "bf16", "size_px": 1024}
    (tmp_path / SPEEDS_FILE).write_text(json.dumps(older | {"steps": 100, "seconds": 40.0}) + "\n")
    speeds = RecordedSpeeds(tmp_path)
    assert speeds.measured(STEP, key()) is None and speeds.measured(LOAD, key(None)) is None
    assert (speeds.similar(STEP, key()).mean_s, speeds.similar(STEP, key()).basis) == (0.4, "older record")
    assert speeds.similar(STEP, key(precision="fp8")) is None and speeds.similar(LOAD, key(None)) is None
    record(tmp_path, (STEP, key(), 28, 9.0), (STEP, key(), 10, 5.0))
    similar = RecordedSpeeds(tmp_path).similar(STEP, key(BATCH))
    assert (similar.mean_s, similar.basis) == (0.5, "other work")


def test_lines_that_cannot_be_read_are_ignored(tmp_path):
    record(tmp_path, (TEXT, key(None), 10, 5.0))
    whole = (tmp_path / SPEEDS_FILE).read_text()
    (tmp_path / SPEEDS_FILE).write_text(whole + '{"unit": "text"}\n[1]\n' + whole[:40] + "\n\x00\n" + whole)
    assert len(RecordedSpeeds(tmp_path).rows) == 2
    assert RecordedSpeeds(tmp_path / "nowhere").rows == []


def test_work_that_fails_is_not_counted_and_a_job_without_work_records_nothing(tmp_path):
    job = JobSpeeds()
    with pytest.raises(ValueError), job.timed(SCORE, {"module": "m"}):
        raise ValueError
    job.add(STEP, key(), 0, 1.0)
    job.record(tmp_path, pytest.fail)
    assert not (tmp_path / SPEEDS_FILE).exists()
    with job.timed(SCORE, {"module": "m"}, 3):
        pass
    assert (job.count(SCORE), job.count(STEP)) == (3, 0)


def test_a_score_is_keyed_by_the_metric_s_settings_alone():
    settings = {"stage": "score", "algorithm": 2, "metric_algorithm": 1, "libraries": {"torch": "2"}}
    own = {"module": "m", "model": "x", "size_px": 96}
    assert score_speed_key(settings | own) == own


def test_the_number_of_steps_counts_only_where_steps_differ(tmp_path):
    more = {"generation": {"steps": 50}}
    assert key() == key(**more)
    assert key(block_cache=0.1) != key(block_cache=0.1, **more)
    assert key(guidance_interval=[0, 0.8]) != key(guidance_interval=[0, 0.8], **more)


@pytest.mark.parametrize(
    "damage",
    [
        *({"count": value} for value in (-3, True, "1", None, 1.5, 10**12)),
        *({"seconds": value} for value in (-5, float("nan"), float("inf"), "x", None, True, 1e300)),
        *({"first_s": value} for value in ("x", None, float("nan"), -1)),
        *({"first_count": value} for value in ("1", None, -1)),
        *({"processor": value} for value in (["a"], None, 7)),
    ],
    ids=str,
)
def test_a_row_with_an_impossible_value_is_left_out(tmp_path, damage):
    record(tmp_path, (STEP, key(), 28, 20.0), (STEP, key(), 28, 14.0))
    [row] = RecordedSpeeds(tmp_path).rows
    (tmp_path / SPEEDS_FILE).write_text(json.dumps(row | damage) + "\n")
    assert RecordedSpeeds(tmp_path).rows == []
    record(tmp_path, (STEP, key(), 28, 20.0), (STEP, key(), 28, 14.0))
    assert RecordedSpeeds(tmp_path).measured(STEP, key()).mean_s == 0.5


def test_a_record_that_cannot_be_written_or_read_stops_nothing(tmp_path):
    (tmp_path / SPEEDS_FILE).mkdir()
    record(tmp_path, (STEP, key(), 28, 20.0))
    assert RecordedSpeeds(tmp_path).rows == []


def test_a_torn_line_takes_no_other_with_it(tmp_path):
    (tmp_path / SPEEDS_FILE).write_text('{"unit": "step", "cou')
    record(tmp_path, (STEP, key(), 28, 20.0), (STEP, key(), 28, 14.0))
    assert len(RecordedSpeeds(tmp_path).rows) == 1
