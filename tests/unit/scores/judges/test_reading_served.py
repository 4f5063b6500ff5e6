"""Readings by probability of a model that the job serves itself: a server, `run-batch`, and where there are none."""

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.llm.served import run_batch
from detailscribe.scores.judges.reading import GRADES, ask_and_read
from detailscribe.study.judging.probabilities import PROBABILITIES
from tests.sample_images import smooth_image
from tests.unit.llm.served_helpers import ENDPOINT, MODEL, FakeVllm

# Of the fake server: half of the probability on 4, a quarter on 5, an eighth on `yes`.
EXPECTED, OUTSIDE = 13 / 3, 0.25


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    monkeypatch.setattr(run_batch, "POLL_S", 0.05)
    fake = FakeVllm(tmp_path, monkeypatch)
    yield fake
    assert fake.left(within_s=5.0) == ""


def readings(vllm, count, options=None, **endpoint):
    image = vllm.folder / "fox.png"
    smooth_image(64, 64).save(image)
    requests = [
        Request(
            "judge",
            "local",
            MODEL,
            [{"role": "user", "content": f"question {n}"}],
            images=[image],
            options=PROBABILITIES | (options or {}),
            images_first=True,
            served={"kind": "vllm"},
        )
        for n in range(count)
    ]
    with vllm.servers() as servers:
        chat = Chat({"local": ENDPOINT | endpoint}, vllm.folder / "store", "live", servers=servers)
        return [reading for _, reading in ask_and_read(chat, requests, GRADES, "expected")]


@pytest.mark.parametrize("batch", [False, True])
def test_a_served_model_gives_probabilities(vllm, batch):
    found = readings(vllm, 3, batch=batch)
    assert {reading.status for reading in found} == {"ok"}
    for reading in found:
        assert reading.value == pytest.approx(EXPECTED) and reading.outside == pytest.approx(OUTSIDE)


def test_a_served_model_without_probabilities_stops_the_job(vllm):
    vllm.misbehave("no-logprobs")
    with pytest.raises(SetupError, match="answers for 'some/model' without token probabilities, which the reading exp"):
        readings(vllm, 12)


def test_more_alternatives_than_the_server_gives_stop_the_job_in_its_words(vllm):
    with pytest.raises(SetupError, match="which is greater than max allowed: 20"):
        readings(vllm, 12, {"top_logprobs": 21})
